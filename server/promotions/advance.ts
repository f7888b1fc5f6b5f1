import type { Environment } from '@reprise/pipelines/model.ts';
import type { Transaction } from 'kysely';
import { REPRISE } from '../auth/caller.ts';
import type { Database, Project, Promotion } from '../db/schema.ts';
import { startDeployment } from '../deployments/start.ts';
import { policyOf } from '../environments/policy.store.ts';
import {
  environmentNamed,
  type ReadEnvironments,
  readEnvironments,
} from '../environments/read-environments.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { announcePromotion } from './announce.ts';
import { boundDigest } from './bind.ts';
import { closePromotion } from './close.ts';
import { approvalsNeeded } from './rules.ts';
import { standingApprovals } from './standing.ts';
import { objectionsNow } from './weigh.ts';

/**
 * Carries out the oldest approved promotion to an environment, unless something is under way there: one after the other, in the order in
 * which they were asked for. What the file or the policy says otherwise by now is void, as nobody approved that. Call it after the commit
 * of a decision, which stands whatever happens here: a failure is logged, and `advanceAll` tries again.
 */
export async function advance(services: Services, project: Project, environment: string): Promise<void> {
  try {
    await carryOn(services, project, environment);
  } catch (error) {
    services.log.error({ err: error, project: project.name, environment }, 'a promotion was not carried out');
  }
}

/**
 * Carries on wherever something is approved: whenever a deployment has ended, and from time to time, should a server have died between a
 * decision and its execution.
 */
export async function advanceAll(services: Services): Promise<void> {
  const places = await services.db
    .selectFrom('promotions')
    .innerJoin('projects', 'projects.id', 'promotions.project_id')
    .selectAll('projects')
    .select('promotions.environment')
    .distinct()
    .where('promotions.state', '=', 'approved')
    .execute();
  for (const { environment, ...project } of places) await advance(services, project, environment);
}

async function carryOn(services: Services, project: Project, environment: string): Promise<void> {
  const { db, live, queue } = services;
  for (;;) {
    const next = await nextApproved(db, project.id, environment);
    if (!next) return;
    const now =
      next.kind === 'promote'
        ? await readEnvironments(services, project, { fresh: false }).catch(unreadable)
        : null;
    const against = now ? await whatSpeaksAgainst(services, project, next, now) : '';
    const outcome = await db
      .transaction()
      .execute((trx) => carryOut(services, trx, { project, promotion: next, now, against }));
    announcePromotion(services, project);
    if (outcome === 'void') continue;
    queue.wake();
    live.changed('queue');
    return;
  }
}

/** Rules that say no by now, in sentences; empty: none does. */
async function whatSpeaksAgainst(
  services: Services,
  project: Project,
  promotion: Promotion,
  now: ReadEnvironments,
): Promise<string> {
  // Without its environment it is void, for that reason.
  if (!now.environments.some(({ name }) => name === promotion.environment)) return '';
  const found = await objectionsNow(services, project, promotion, now);
  return found.map(({ sentence }) => sentence).join(' ');
}

/** Nothing was changed on purpose, so nothing is void by it: what was recorded counts. */
function unreadable(error: unknown): null {
  if (error instanceof Refusal) return null;
  throw error;
}

function nextApproved(db: Services['db'], projectId: string, environment: string) {
  return db
    .selectFrom('promotions')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('environment', '=', environment)
    .where('state', '=', 'approved')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('deployments')
            .select('id')
            .where('project_id', '=', projectId)
            .where('environment', '=', environment)
            .where('status', 'in', ['queued', 'running']),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('deployments')
            .select('id')
            .whereRef('promotion_id', '=', 'promotions.id')
            .where('kind', '<>', 'probe'),
        ),
      ),
    )
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst();
}

async function carryOut(
  services: Services,
  trx: Transaction<Database>,
  o: { project: Project; promotion: Promotion; now: ReadEnvironments | null; against: string },
): Promise<'started' | 'void' | 'busy'> {
  const { project, promotion } = o;
  const fresh = await nextApproved(trx, project.id, promotion.environment);
  if (fresh?.id !== promotion.id) return 'busy';
  const why = (o.now && (await whyVoid(trx, promotion, o.now))) || o.against;
  const at = services.now();
  if (why) {
    const ending = { why, at, by: REPRISE, action: 'promotion.void', reason: why } as const;
    await closePromotion(trx, project, { promotion, ...ending });
    return 'void';
  }
  await startDeployment(trx, {
    promotion,
    kind: promotion.rollback_to === null ? 'deploy' : 'rollback',
    at,
  });
  return 'started';
}

/** What was approved is exactly a digest, an environment and its configuration. null: they are as they were. */
export async function whyVoid(
  trx: Transaction<Database>,
  promotion: Promotion,
  now: ReadEnvironments,
): Promise<string | null> {
  let environment: Environment;
  try {
    environment = environmentNamed(now, promotion.environment);
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
  const bound = boundDigest({ sha256: promotion.sha256, environment, rollbackTo: null });
  if (bound !== promotion.bound_sha256)
    return `${promotion.environment} is defined differently since it was asked for: ask again.`;
  const policy = await policyOf(trx, { projectId: promotion.project_id, environment: promotion.environment });
  if (approvalsNeeded({ environment, policy }) > promotion.approvals_needed)
    return `${promotion.environment} needs more approvals since it was asked for: ask again.`;
  if (promotion.state === 'approved' && promotion.approvals_needed > 0) {
    const standing = await standingApprovals(trx, promotion, policy.approvers);
    if (standing < promotion.approvals_needed)
      return `Somebody who approved this may not approve what goes to ${promotion.environment} any more: ask again.`;
  }
  return null;
}
