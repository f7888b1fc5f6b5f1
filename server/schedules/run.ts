import { nextTime } from '@reprise/pipelines/cron.ts';
import { REPRISE } from '../auth/caller.ts';
import { announceNew } from '../builds/announce.ts';
import { insertBuild } from '../builds/new-build.ts';
import type { Project } from '../db/schema.ts';
import type { CommitFacts } from '../git/commit-object.ts';
import type { ResolvedRef } from '../git/resolve.ts';
import type { Services } from '../services.ts';
import { readSchedules } from './read.ts';
import { isSchedule, NEVER, type ScheduleRow, schedulesOf } from './schedule.store.ts';

/** Nobody waits for it. */
const FETCH_WITHIN_MS = 60_000;

/**
 * Makes the builds of a project's schedules that are due: asks the upstream for the heads of its branches first and reads the
 * schedules again, as the file at the default branch's head decides. However many times were missed, a schedule leads to one
 * build. Whoever moves a schedule on to its next time makes its build, in one transaction, so that no other server does.
 * Throws `MirrorFault`, with nothing changed, where the upstream cannot be asked.
 */
export async function runDue(services: Services, project: Project, signal: AbortSignal): Promise<void> {
  await services.mirrors.fetch(project, { timeoutMs: FETCH_WITHIN_MS, signal });
  await readSchedules(services, project);
  const now = services.now();
  const due = (await schedulesOf(services.db, [project.id])).filter(({ due_at }) => due_at <= now);
  for (const schedule of due) await run(services, project, schedule, now);
}

async function run(services: Services, project: Project, schedule: ScheduleRow, now: number): Promise<void> {
  const { mirrors, live } = services;
  const branch = schedule.branch || (project.default_branch ?? (await mirrors.defaultBranch(project)));
  const head = branch === null ? null : await mirrors.resolve(project, `refs/heads/${branch}`);
  if (head === null) {
    const obstacle = branch === null ? 'there is no default branch' : `there is no branch ${branch}`;
    if (await moveOn(services, schedule, { now, obstacle })) live.changed(`project:${project.name}`);
    return;
  }
  const commit = await mirrors.commit(project, head.sha);
  const number = await moveOn(services, schedule, { now, obstacle: '', head, commit });
  if (number !== null) announceNew(services, [{ project: project.name, number }]);
}

/** Null where another server has done it. */
async function moveOn(
  { db }: Services,
  schedule: ScheduleRow,
  o: { now: number; obstacle: string; head?: ResolvedRef; commit?: CommitFacts },
): Promise<number | null> {
  const { cron, timezone, project_id } = schedule;
  return db.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('schedules')
      .set({ due_at: nextTime(cron, o.now, timezone) ?? NEVER, obstacle: o.obstacle })
      .where(isSchedule(schedule))
      .where('due_at', '=', schedule.due_at)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) return null;
    if (!o.head || !o.commit) return 0;
    const number = await insertBuild(trx, project_id, buildOf(schedule, o.head, o.commit), o.now);
    await trx.updateTable('schedules').set({ last_build: number }).where(isSchedule(schedule)).execute();
    return number;
  });
}

function buildOf(schedule: ScheduleRow, head: ResolvedRef, commit: CommitFacts) {
  const zone = schedule.timezone === 'UTC' ? '' : ` (${schedule.timezone})`;
  return {
    commit_sha: head.sha,
    ref: head.ref,
    branch: head.branch,
    tag: null,
    pull_request: null,
    message: commit.message,
    author_name: commit.authorName,
    author_email: commit.authorEmail,
    trigger_kind: 'schedule' as const,
    trigger_by: REPRISE.name,
    trigger_reason: `${schedule.cron}${zone}, due at ${new Date(schedule.due_at).toISOString()}`,
    delivery_id: null,
    changed_paths: null,
    needs_approval: 0,
  };
}
