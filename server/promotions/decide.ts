import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import type { Caller } from '../auth/caller.ts';
import type { Database, Project, Promotion } from '../db/schema.ts';
import { policyOf } from '../environments/policy.store.ts';
import { type ReadEnvironments, readEnvironments } from '../environments/read-environments.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { advance, whyVoid } from './advance.ts';
import { announcePromotion } from './announce.ts';
import { assertMay, refuse, waitsFor } from './promote.ts';
import { standingApprovals } from './standing.ts';
import { objectionsNow } from './weigh.ts';

interface Decision {
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
      await close(services, trx, project, {
        promotion,
        state: 'void',
        why,
        by: { name: 'Reprise', via: '' },
      });
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
    await close(services, trx, project, { promotion, state: 'rejected', why: o.text, by: o.by });
  });
  announcePromotion(services, project);
}

/** Takes a promotion back that is not being carried out yet; a deployment under way is asked to end between its phases. */
export async function cancelPromotion(services: Services, project: Project, o: Decision): Promise<void> {
  const { db, queue, now } = services;
  const runners = await db.transaction().execute(async (trx) => {
    const promotion = await promotionOf(trx, project, o.id);
    const entry = {
      at: now(),
      by: o.by,
      action: 'promotion.cancel',
      project: project.name,
      reason: o.text,
    } as const;
    const subject = `${project.name} to ${promotion.environment}`;
    const active = await trx
      .selectFrom('deployments')
      .innerJoin('jobs', 'jobs.deployment_id', 'deployments.id')
      .select(['deployments.id', 'deployments.status', 'jobs.id as job'])
      .where('deployments.promotion_id', '=', promotion.id)
      // Looking at hosts is nobody's to cancel, and belongs to what is long decided.
      .where('deployments.kind', '<>', 'probe')
      .where('deployments.status', 'in', ['queued', 'running'])
      .executeTakeFirst();
    if (!active) {
      if (promotion.state !== 'waiting' && promotion.state !== 'approved') throw decided(promotion);
      await trx
        .updateTable('promotions')
        .set({ state: 'rejected', why: `cancelled by ${o.by.name}`, decided_at: now() })
        .where('id', '=', promotion.id)
        .execute();
      await recordAudit(trx, { ...entry, subject, detail: { promotion: promotion.id } });
      return [];
    }
    await recordAudit(trx, { ...entry, subject, detail: { promotion: promotion.id, deployment: active.id } });
    if (active.status === 'queued') {
      const why = `cancelled by ${o.by.name}`;
      const ended = { status: 'cancelled', why, finished_at: now() } as const;
      await trx
        .updateTable('jobs')
        .set({ ...ended, ready: 0 })
        .where('id', '=', active.job)
        .execute();
      await trx.updateTable('deployments').set(ended).where('id', '=', active.id).execute();
      await trx
        .updateTable('promotions')
        .set({ state: 'done', why })
        .where('id', '=', promotion.id)
        .execute();
      return [];
    }
    return trx
      .updateTable('attempts')
      .set({ cancel_requested: 1 })
      .where('job_id', '=', active.job)
      .where('status', '=', 'running')
      .returning('runner_id')
      .execute();
  });
  queue.notice(...runners.map(({ runner_id }) => runner_id));
  announcePromotion(services, project);
  const { environment } = await promotionOf(db, project, o.id);
  await advance(services, project, environment);
}

export async function promotionOf(
  db: Services['db'] | Transaction<Database>,
  project: Project,
  id: string,
): Promise<Promotion> {
  const found = await db
    .selectFrom('promotions')
    .selectAll()
    .where('project_id', '=', project.id)
    .where('id', '=', id)
    .executeTakeFirst();
  if (!found) throw notFound(`The promotion ${id} of ${project.name}`);
  return found;
}

async function waiting(trx: Transaction<Database>, project: Project, id: string): Promise<Promotion> {
  const promotion = await promotionOf(trx, project, id);
  if (promotion.state !== 'waiting') throw decided(promotion);
  return promotion;
}

function decided(promotion: Promotion): Refusal {
  const word = promotion.state === 'done' ? 'carried out' : promotion.state;
  return new Refusal(409, 'conflict', `This promotion is decided: it was ${word}. Ask for a new one.`);
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
  if (voided === null) refuse(await objectionsNow(services, project, promotion, environments));
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
  const subject = `${project.name} to ${promotion.environment}`;
  const entry = {
    at,
    by,
    action: 'promotion.approve',
    project: project.name,
    subject,
    reason: text,
  } as const;
  await recordAudit(trx, { ...entry, detail: { promotion: promotion.id, bound: promotion.bound_sha256 } });
}

async function close(
  { now }: Services,
  trx: Transaction<Database>,
  project: Project,
  o: { promotion: Promotion; state: 'rejected' | 'void'; why: string; by: { name: string; via: string } },
): Promise<void> {
  const at = now();
  const { promotion, state, why, by } = o;
  await trx
    .updateTable('promotions')
    .set({ state, why, decided_at: at })
    .where('id', '=', promotion.id)
    .execute();
  const action = state === 'void' ? 'promotion.void' : 'promotion.reject';
  const subject = `${project.name} to ${promotion.environment}`;
  const detail = { promotion: promotion.id };
  await recordAudit(trx, { at, by, action, project: project.name, subject, reason: why, detail });
}
