import { isFinal } from '@reprise/pipelines/status.ts';
import type { Project } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { changeBuild, type Wish } from './change-build.ts';
import { settle } from './settle.ts';

/**
 * Lets a fork's pull request run: its jobs are queued, and who said yes and when is kept with the build. The yes holds for
 * this commit; the next one that is pushed to the pull request is another build and waits again.
 */
export async function approveBuild(services: Services, project: Project, wish: Wish): Promise<void> {
  await changeBuild(services, project, wish, async (trx, build, at) => {
    const waits = build.needs_approval === 1 && build.approved_at === null && !isFinal(build.status);
    if (!waits) {
      const what =
        build.approved_by === null ? 'does not wait for approval' : `was approved by ${build.approved_by}`;
      throw new Refusal(409, 'conflict', `Build ${project.name} #${wish.number} ${what}.`);
    }
    await trx
      .updateTable('builds')
      .set({ approved_by: wish.by.name, approved_at: at })
      .where('id', '=', build.id)
      .execute();
    await settle(trx, build.id, at);
    return { action: 'build.approve', detail: { commit: build.commit_sha } };
  });
  services.queue.wake();
}
