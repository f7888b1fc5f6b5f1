import { isFinal } from '@reprise/pipelines/status.ts';
import type { Project } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { changeBuild, type Wish } from './change-build.ts';

/** Above what a pipeline file can say. */
const NEXT = 1000;

/**
 * Lets what of a build has not begun go before everything else that waits for the same runners, but for what was put first
 * before it. Running jobs are left alone, and concurrency groups hold. Refused where nothing of it waits.
 */
export async function prioritizeBuild(services: Services, project: Project, wish: Wish): Promise<void> {
  await changeBuild(services, project, wish, async (trx, build) => {
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
      throw new Refusal(409, 'conflict', `Build ${project.name} #${wish.number} ${why}`);
    }
    return { action: 'build.prioritize', detail: { jobs: Number(numUpdatedRows) } };
  });
  services.queue.wake();
}
