import { isFinal } from '@reprise/pipelines/status.ts';
import type { Transaction } from 'kysely';
import type { Build, Database, Project } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { changeBuild, type Wish } from './change-build.ts';
import { settle, whyEnded } from './settle.ts';

/**
 * Asks for a build's end. What has not begun is cancelled at once; running attempts are asked to end, which their
 * runners hear at once when connected, else at their next contact. A build that has ended is refused.
 */
export async function cancelBuild(services: Services, project: Project, wish: Wish): Promise<void> {
  const { runners } = await changeBuild(services, project, wish, async (trx, build, at) => {
    if (isFinal(build.status)) {
      const sentence = `Build ${project.name} #${wish.number} has ended: it ${ENDED[build.status]}.`;
      throw new Refusal(409, 'conflict', sentence);
    }
    const runners = await endBuild(trx, build, { cancelled_by: wish.by.name }, at);
    return { action: 'build.cancel', runners };
  });
  services.queue.notice(...runners);
}

/** Why a build that did not end by itself was ended: who asked for it, or the number of the build that took its place. */
export type Cause = { cancelled_by: string } | { superseded_by: number };

/** As `cancelBuild`, for whoever records it. Returns the runners that have something of the build: notice them after the commit. */
export async function endBuild(
  trx: Transaction<Database>,
  build: Build,
  cause: Cause,
  now: number,
): Promise<(string | null)[]> {
  if (build.planned_at === null) await cancelUnplanned(trx, build, { cause, now });
  else await cancelJobs(trx, build, { cause, now });
  return askRunningToEnd(trx, build.id);
}

const ENDED = {
  passed: 'passed',
  failed: 'failed',
  errored: 'errored',
  cancelled: 'was cancelled',
  skipped: 'was skipped',
} as const;

/** The planner leaves a build alone that is no longer queued, also one it is at work on. */
async function cancelUnplanned(
  trx: Transaction<Database>,
  build: Build,
  { cause, now }: { cause: Cause; now: number },
): Promise<void> {
  await trx
    .updateTable('builds')
    .set({
      status: 'cancelled',
      why: whyEnded(cause),
      ...cause,
      finished_at: now,
      revision: build.revision + 1,
    })
    .where('id', '=', build.id)
    .execute();
}

async function cancelJobs(
  trx: Transaction<Database>,
  build: Build,
  { cause, now }: { cause: Cause; now: number },
): Promise<void> {
  await trx.updateTable('builds').set(cause).where('id', '=', build.id).execute();
  await trx
    .updateTable('jobs')
    .set({ status: 'cancelled', why: whyEnded(cause), ready: 0, finished_at: now })
    .where('build_id', '=', build.id)
    .where('deployment_id', 'is', null)
    .where('status', 'in', ['queued', 'blocked'])
    .execute();
  await settle(trx, build.id, now);
}

/** The runners that have something of the build. */
async function askRunningToEnd(trx: Transaction<Database>, buildId: string): Promise<(string | null)[]> {
  const asked = await trx
    .updateTable('attempts')
    .set({ cancel_requested: 1 })
    .where('status', '=', 'running')
    .where('job_id', 'in', (ids) =>
      ids.selectFrom('jobs').select('id').where('build_id', '=', buildId).where('deployment_id', 'is', null),
    )
    .returning('runner_id')
    .execute();
  return asked.map(({ runner_id }) => runner_id);
}
