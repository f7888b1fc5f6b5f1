import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/**
 * The sets of labels, as they are kept with runners, of those who could take a job that is ready. The cost follows the
 * numbers of runners and of different sets that jobs ask for, not the number of jobs.
 */
export async function claimableKinds(db: Kysely<Database>): Promise<string[]> {
  const asked = await readyLabels(db);
  if (asked.length === 0) return [];
  const runners = await db
    .selectFrom('runners')
    .select('labels')
    .distinct()
    .where('draining', '=', 0)
    .execute();
  return runners
    .map(({ labels }) => labels)
    .filter((kind) => {
      const has = new Set<string>(JSON.parse(kind));
      return asked.some((labels) => labels.every((label) => has.has(label)));
    });
}

/** From one set of labels to the next in the index of ready jobs. */
async function readyLabels(db: Kysely<Database>): Promise<string[][]> {
  const { rows } = await sql<{ runs_on: string }>`
    with recursive kinds (runs_on) as (
      select min(runs_on) from jobs where ready = 1
      union all
      select (select min(jobs.runs_on) from jobs where ready = 1 and jobs.runs_on > kinds.runs_on)
      from kinds where kinds.runs_on is not null
    )
    select runs_on from kinds where runs_on is not null`.execute(db);
  return rows.map(({ runs_on }) => JSON.parse(runs_on));
}
