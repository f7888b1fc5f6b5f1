import { isFinal } from '@reprise/pipelines/status.ts';
import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { announceChanged } from './announce.ts';
import { wholeBuild } from './build.store.ts';
import { settle } from './settle.ts';

/**
 * Lets a fork's pull request run: its jobs are queued, and who said yes and when is kept with the build. The yes holds for
 * this commit; the next one that is pushed to the pull request is another build and waits again.
 */
export async function approveBuild(
  services: Services,
  project: Project,
  { number, reason, by }: { number: number; reason: string; by: Actor },
): Promise<void> {
  const now = services.now();
  await services.db.transaction().execute(async (trx) => {
    const build = await wholeBuild(trx, project.id, number);
    if (!build) throw notFound(`Build ${project.name} #${number}`);
    const waits = build.needs_approval === 1 && build.approved_at === null && !isFinal(build.status);
    if (!waits) {
      const what =
        build.approved_by === null ? 'does not wait for approval' : `was approved by ${build.approved_by}`;
      throw new Refusal(409, 'conflict', `Build ${project.name} #${number} ${what}.`);
    }
    await trx
      .updateTable('builds')
      .set({ approved_by: by.name, approved_at: now })
      .where('id', '=', build.id)
      .execute();
    await settle(trx, build.id, now);
    await recordAudit(trx, {
      at: now,
      by,
      action: 'build.approve',
      project: project.name,
      subject: `${project.name} #${number}`,
      reason,
      detail: { commit: build.commit_sha },
    });
  });
  services.queue.wake();
  announceChanged(services, [{ project: project.name, number }]);
  services.live.changed('audit');
}
