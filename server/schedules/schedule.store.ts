import { nextTime } from '@reprise/pipelines/cron.ts';
import type { Schedule } from '@reprise/pipelines/model.ts';
import type { ExpressionBuilder, Kysely, Selectable, Transaction } from 'kysely';
import type { Database, ScheduleTable } from '../db/schema.ts';

export type ScheduleRow = Selectable<ScheduleTable>;

/**
 * What the file at a commit of the default branch says takes the place of what was kept. A schedule that was there before
 * keeps its next run; a new one runs at its next time, never at one that is over.
 */
export async function keepSchedules(
  trx: Transaction<Database>,
  projectId: string,
  { commit, schedules, now }: { commit: string; schedules: readonly Schedule[]; now: number },
): Promise<void> {
  const before = await schedulesOf(trx, [projectId]);
  const wanted = new Map(schedules.map((schedule) => [keyOf(schedule), schedule]));
  for (const row of before) {
    const { cron, timezone, branch } = row;
    if (wanted.delete(keyOf({ cron, timezone, branch: branch || null }))) continue;
    await trx.deleteFrom('schedules').where(isSchedule(row)).execute();
  }
  const added = [...wanted.values()].map(({ cron, timezone, branch }) => ({
    ...{ project_id: projectId, cron, timezone, branch: branch ?? '' },
    ...{ due_at: nextTime(cron, now, timezone) ?? NEVER, last_build: null, obstacle: '' },
  }));
  if (added.length > 0) {
    await trx
      .insertInto('schedules')
      .values(added)
      .onConflict((oc) => oc.doNothing())
      .execute();
  }
  await trx
    .insertInto('schedule_heads')
    .values({ project_id: projectId, commit_sha: commit })
    .onConflict((oc) => oc.column('project_id').doUpdateSet({ commit_sha: commit }))
    .execute();
}

/** Another branch's file counts from now on: the next look reads it. */
export async function readSchedulesAgain(trx: Transaction<Database>, projectId: string): Promise<void> {
  await trx.deleteFrom('schedule_heads').where('project_id', '=', projectId).execute();
}

/** Whether keeping these could change anything: most projects have none, before and after. */
export async function mayChangeSchedules(
  db: Kysely<Database>,
  projectId: string,
  schedules: readonly Schedule[],
): Promise<boolean> {
  return schedules.length > 0 || (await schedulesOf(db, [projectId])).length > 0;
}

/** Later than everything: of an expression that names no moment any more. */
export const NEVER = Number.MAX_SAFE_INTEGER;

/** The schedules of these projects, the next to run first. */
export function schedulesOf(db: Kysely<Database>, projectIds: readonly string[]): Promise<ScheduleRow[]> {
  return db
    .selectFrom('schedules')
    .selectAll()
    .where('project_id', 'in', projectIds)
    .orderBy('due_at')
    .orderBy('cron')
    .execute();
}

/** Finds this one, by all that tells it from others. */
export function isSchedule({ project_id, cron, timezone, branch }: Omit<ScheduleRow, 'due_at'>) {
  return (eb: ExpressionBuilder<Database, 'schedules'>) => eb.and({ project_id, cron, timezone, branch });
}

function keyOf({ cron, timezone, branch }: Schedule): string {
  return JSON.stringify([cron, timezone, branch ?? '']);
}
