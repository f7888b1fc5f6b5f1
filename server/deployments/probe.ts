import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Database, Deployment, Project } from '../db/schema.ts';
import { readEnvironments } from '../environments/read-environments.ts';
import { Refusal } from '../http/refusal.ts';
import { announcePromotion } from '../promotions/announce.ts';
import type { Services } from '../services.ts';
import { startDeployment } from './start.ts';

/** Looks at the hosts of what was last promoted there. Refused while something is under way, which looks by itself. */
export async function probe(
  services: Services,
  project: Project,
  { environment, by }: { environment: string; by: Actor },
): Promise<Deployment['id']> {
  const id = await start(services, project, environment, async (trx, at) => {
    const entry = { at, by, action: 'deployment.start', project: project.name } as const;
    await recordAudit(trx, { ...entry, subject: `${project.name} ${environment}, probe` });
  });
  if (typeof id === 'string') return id;
  throw new Refusal(409, 'conflict', id.refused);
}

/**
 * Looks at every environment where nothing was done, nor looked at, for as long as is configured. What is not in the pipeline file any
 * more is left alone. Nobody asked and nothing changes, so the audit says nothing of it. Where it fails is logged.
 */
export async function probeDue(services: Services): Promise<void> {
  const { db, config, now, log } = services;
  if (config.probeEveryMs === 0) return;
  const due = await db
    .selectFrom('host_states')
    .innerJoin('projects', 'projects.id', 'host_states.project_id')
    .selectAll('projects')
    .select('host_states.environment')
    .distinct()
    .where('host_states.promotion_id', 'is not', null)
    .where(
      (eb) =>
        eb
          .selectFrom('deployments')
          .select('queued_at')
          .whereRef('deployments.project_id', '=', 'host_states.project_id')
          .whereRef('deployments.environment', '=', 'host_states.environment')
          .orderBy('seq', 'desc')
          .limit(1),
      '<=',
      now() - config.probeEveryMs,
    )
    .execute();
  for (const { environment, ...project } of due) {
    try {
      const { environments } = await readEnvironments(services, project, { fresh: false });
      if (environments.some(({ name }) => name === environment)) await start(services, project, environment);
    } catch (error) {
      if (!(error instanceof Refusal))
        log.error({ err: error, project: project.name, environment }, 'the hosts could not be looked at');
    }
  }
}

/** Queues a look, with what is to be recorded of it. */
async function start(
  services: Services,
  project: Project,
  environment: string,
  record?: (trx: Transaction<Database>, at: number) => Promise<void>,
): Promise<Deployment['id'] | { refused: string }> {
  const { db, now, queue } = services;
  const started = await db.transaction().execute(async (trx) => {
    const active = await trx
      .selectFrom('deployments')
      .select('id')
      .where('project_id', '=', project.id)
      .where('environment', '=', environment)
      .where('status', 'in', ['queued', 'running'])
      .executeTakeFirst();
    if (active)
      return { refused: `A deployment to ${environment} is under way: it looks at the hosts itself.` };
    const promotion = await trx
      .selectFrom('promotions')
      .selectAll()
      .where('project_id', '=', project.id)
      .where('environment', '=', environment)
      .where('state', '=', 'done')
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (!promotion)
      return { refused: `Nothing was promoted to ${environment} yet: there is nothing to look for.` };
    await record?.(trx, now());
    return startDeployment(trx, { promotion, kind: 'probe', at: now() });
  });
  if (typeof started !== 'string') return started;
  queue.wake();
  announcePromotion(services, project);
  return started;
}
