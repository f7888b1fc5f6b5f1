import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import { type Caller, REPRISE } from '../auth/caller.ts';
import type { Database, Project, Promotion } from '../db/schema.ts';
import { policyOf } from '../environments/policy.store.ts';
import { type ReadEnvironments, readEnvironments } from '../environments/read-environments.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { advance, whyVoid } from './advance.ts';
import { assertMay, assertNoObjection } from './allowed.ts';
import { announcePromotion } from './announce.ts';
import { waitsFor } from './ask.ts';
import { closePromotion, decided, subjectOf } from './close.ts';
import { promotionOf } from './promotion.store.ts';
import { standingApprovals } from './standing.ts';
import { objectionsNow } from './weigh.ts';

/** What a person has to say to a promotion. */
export interface Decision {
  id: string;
  by: Caller;
  /** Why, or what the approver had to say. */
  text: string;
}

/**
 * Says yes to a waiting promotion. Never by who asked, only by who has the role, once each; and only for exactly what was asked: where the
 * file or the policy says otherwise by now, the promotion is void. With the last yes it is carried out.
 */
export async function approve(services: Services, project: Project, o: Decision): Promise<void> {
  const { db } = services;
  const before = await promotionOf(db, project, o.id);
  const policy = await policyOf(db, { projectId: project.id, environment: before.environment });
  assertMay(o.by, project, policy.approvers, `approve what goes to ${before.environment}`);
  assertOther(before, o.by);
  const environments =
    before.kind === 'promote' ? await readEnvironments(services, project, { fresh: true }) : null;
  if (environments && before.state === 'waiting') await refuseNow(services, project, before, environments);
  const voided = await db.transaction().execute(async (trx) => {
    const promotion = await waiting(trx, project, o.id);
    const why = environments && (await whyVoid(trx, promotion, environments));
    if (why) {
      const at = services.now();
      const ending = { why, at, by: REPRISE, action: 'promotion.void', reason: why } as const;
      await closePromotion(trx, project, { promotion, ...ending });
      return why;
    }
    await addApproval(services, trx, project, { promotion, ...o });
    return null;
  });
  announcePromotion(services, project);
  if (voided !== null) throw new Refusal(409, 'conflict', voided);
  await advance(services, project, before.environment);
}

/** Says no, for good. */
export async function reject(services: Services, project: Project, o: Decision): Promise<void> {
  const before = await promotionOf(services.db, project, o.id);
  const policy = await policyOf(services.db, { projectId: project.id, environment: before.environment });
  assertMay(o.by, project, policy.approvers, `decide what goes to ${before.environment}`);
  await services.db.transaction().execute(async (trx) => {
    const promotion = await waiting(trx, project, o.id);
    const ending = { why: o.text, at: services.now(), by: o.by, reason: o.text } as const;
    await closePromotion(trx, project, { promotion, ...ending, action: 'promotion.reject' });
  });
  announcePromotion(services, project);
}

async function waiting(trx: Transaction<Database>, project: Project, id: string): Promise<Promotion> {
  const promotion = await promotionOf(trx, project, id);
  if (promotion.state !== 'waiting') throw decided(promotion);
  return promotion;
}

/** The rules hold when it goes out, not only when it was asked for: a freeze may have begun, staging may be ill. */
async function refuseNow(
  services: Services,
  project: Project,
  promotion: Promotion,
  environments: ReadEnvironments,
): Promise<void> {
  const voided = await services.db.transaction().execute((trx) => whyVoid(trx, promotion, environments));
  // What is void is said to be void, not why it could not go there today.
  if (voided === null) assertNoObjection(await objectionsNow(services, project, promotion, environments));
}

/** Four eyes: neither the same account nor, for tokens and the operator, the same name. */
function assertOther(promotion: Promotion, by: Caller): void {
  const isSame = by.userId === null ? by.name === promotion.asked_by : by.userId === promotion.asked_by_user;
  if (!isSame) return;
  const sentence = `${by.name} asked for it, so somebody else must approve it.`;
  throw new Refusal(403, 'forbidden', sentence);
}

async function addApproval(
  services: Services,
  trx: Transaction<Database>,
  project: Project,
  { promotion, by, text }: Decision & { promotion: Promotion },
): Promise<void> {
  const at = services.now();
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('approvals')
    .values({
      promotion_id: promotion.id,
      approver: by.userId ?? by.name,
      by: by.name,
      via: by.via,
      comment: text,
      bound_sha256: promotion.bound_sha256,
      at,
    })
    .onConflict((oc) => oc.doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows === 0n)
    throw new Refusal(409, 'conflict', `${by.name} has approved it already: somebody else must.`);
  const { approvers } = await policyOf(trx, { projectId: project.id, environment: promotion.environment });
  const left = promotion.approvals_needed - (await standingApprovals(trx, promotion, approvers));
  await trx
    .updateTable('promotions')
    .set(left > 0 ? { why: waitsFor(left) } : { state: 'approved', why: '', decided_at: at })
    .where('id', '=', promotion.id)
    .execute();
  const entry = { at, by, action: 'promotion.approve', project: project.name, reason: text } as const;
  const detail = { promotion: promotion.id, bound: promotion.bound_sha256 };
  await recordAudit(trx, { ...entry, subject: subjectOf(project, promotion), detail });
}
