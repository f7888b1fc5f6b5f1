import { isFinal } from '@reprise/pipelines/status.ts';
import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { announceChanged } from './announce.ts';
import { wholeBuild } from './build.store.ts';

/** Above what a pipeline file can say. */
const NEXT = 1000;

/**
 * Lets what of a build has not begun go before everything else that waits for the same runners, but for what was put first
 * before it. Running jobs are left alone, and concurrency groups hold. Refused where nothing of it waits.
 */
export async function prioritizeBuild(
  services: Services,
  project: Project,
  { number, reason, by }: { number: number; reason: string; by: Actor },
): Promise<void> {
  const now = services.now();
  await services.db.transaction().execute(async (trx) => {
    const build = await wholeBuild(trx, project.id, number);
    if (!build) throw notFound(`Build ${project.name} #${number}`);
    const { numUpdatedRows } = await trx
      .updateTable('jobs')
      .set({ priority: NEXT })
      .where('build_id', '=', build.id)
      .where('deployment_id', 'is', null)
      .where('status', 'in', ['queued', 'blocked'])
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) {
      const isPlanned = build.planned_at !== null || isFinal(build.status);
      const why = isPlanned ? 'has nothing that waits.' : 'is not planned yet: try again in a moment.';
      throw new Refusal(409, 'conflict', `Build ${project.name} #${number} ${why}`);
    }
    await recordAudit(trx, {
      at: now,
      by,
      action: 'build.prioritize',
      project: project.name,
      subject: `${project.name} #${number}`,
      reason,
      detail: { jobs: Number(numUpdatedRows) },
    });
  });
  services.queue.wake();
  announceChanged(services, [{ project: project.name, number }]);
  services.live.changed('audit');
}
