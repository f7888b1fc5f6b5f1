import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import type { Database, Project, Promotion } from '../db/schema.ts';
import type { Services } from '../services.ts';
import { advance } from './advance.ts';
import { announcePromotion } from './announce.ts';
import { closePromotion, decided, subjectOf } from './close.ts';
import type { Decision } from './decide.ts';
import { promotionOf } from './promotion.store.ts';

/** Takes a promotion back that is not being carried out yet; a deployment under way is asked to end between its phases. */
export async function cancelPromotion(services: Services, project: Project, o: Decision): Promise<void> {
  const { db, queue, now } = services;
  const { environment, runners } = await db.transaction().execute(async (trx) => {
    const promotion = await promotionOf(trx, project, o.id);
    const { environment } = promotion;
    const active = await activeDeployment(trx, promotion);
    const ending = { at: now(), by: o.by, action: 'promotion.cancel', reason: o.text } as const;
    const why = `cancelled by ${o.by.name}`;
    if (!active) {
      if (promotion.state !== 'waiting' && promotion.state !== 'approved') throw decided(promotion);
      await closePromotion(trx, project, { promotion, why, ...ending });
      return { environment, runners: [] };
    }
    const detail = { promotion: promotion.id, deployment: active.id };
    const entry = { project: project.name, subject: subjectOf(project, promotion), detail };
    await recordAudit(trx, { ...ending, ...entry });
    if (active.status === 'running') return { environment, runners: await askToEnd(trx, active.job) };
    await endQueued(trx, { promotion, active, why, at: ending.at });
    return { environment, runners: [] };
  });
  queue.notice(...runners);
  announcePromotion(services, project);
  await advance(services, project, environment);
}

interface Active {
  id: string;
  status: string;
  job: string;
}

function activeDeployment(trx: Transaction<Database>, promotion: Promotion): Promise<Active | undefined> {
  return (
    trx
      .selectFrom('deployments')
      .innerJoin('jobs', 'jobs.deployment_id', 'deployments.id')
      .select(['deployments.id', 'deployments.status', 'jobs.id as job'])
      .where('deployments.promotion_id', '=', promotion.id)
      // Looking at hosts is nobody's to cancel, and belongs to what is long decided.
      .where('deployments.kind', '<>', 'probe')
      .where('deployments.status', 'in', ['queued', 'running'])
      .executeTakeFirst()
  );
}

/** Returns the runners to be told. */
async function askToEnd(trx: Transaction<Database>, job: string): Promise<(string | null)[]> {
  const asked = await trx
    .updateTable('attempts')
    .set({ cancel_requested: 1 })
    .where('job_id', '=', job)
    .where('status', '=', 'running')
    .returning('runner_id')
    .execute();
  return asked.map(({ runner_id }) => runner_id);
}

async function endQueued(
  trx: Transaction<Database>,
  o: { promotion: Promotion; active: Active; why: string; at: number },
): Promise<void> {
  const { promotion, active, why, at } = o;
  const ended = { status: 'cancelled', why, finished_at: at } as const;
  await trx
    .updateTable('jobs')
    .set({ ...ended, ready: 0 })
    .where('id', '=', active.job)
    .execute();
  await trx.updateTable('deployments').set(ended).where('id', '=', active.id).execute();
  await trx.updateTable('promotions').set({ state: 'done', why }).where('id', '=', promotion.id).execute();
}
