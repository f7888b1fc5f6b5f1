import { recordAudit } from '../audit/record.ts';
import type { Deployment, Project } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import { announcePromotion } from '../promotions/announce.ts';
import type { Services } from '../services.ts';
import { startDeployment } from './start.ts';

/** Looks at the hosts of what was last promoted there. Refused while something is under way, which looks by itself. */
export async function probe(
  services: Services,
  project: Project,
  { environment, by }: { environment: string; by: { name: string; via: string } },
): Promise<Deployment['id']> {
  const { db, now, queue } = services;
  const id = await db.transaction().execute(async (trx) => {
    const active = await trx
      .selectFrom('deployments')
      .select('id')
      .where('project_id', '=', project.id)
      .where('environment', '=', environment)
      .where('status', 'in', ['queued', 'running'])
      .executeTakeFirst();
    if (active)
      throw new Refusal(
        409,
        'conflict',
        `A deployment to ${environment} is under way: it looks at the hosts itself.`,
      );
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
      throw new Refusal(
        409,
        'conflict',
        `Nothing was promoted to ${environment} yet: there is nothing to look for.`,
      );
    const entry = { at: now(), by, action: 'deployment.start', project: project.name } as const;
    await recordAudit(trx, { ...entry, subject: `${project.name} ${environment}, probe` });
    return startDeployment(trx, { promotion, kind: 'probe', at: now() });
  });
  queue.wake();
  announcePromotion(services, project);
  return id;
}
