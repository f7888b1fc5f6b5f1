import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/** Of the ready jobs that ask for the same labels and are in the same concurrency group (or in none) the one to be taken first. */
export interface Head {
  seq: number;
  build_id: string;
  /** JSON, as it is kept. */
  runs_on: string;
  priority: number;
  /** Empty: it is in none. */
  concurrency_group: string;
  concurrency_limit: number;
  /** How many of its group run. */
  running: number;
}

/**
 * Walks from one distinct pair of labels and group to the next in the index of ready jobs, so that the cost follows the
 * number of different pairs, never the number of queued jobs or of builds kept. (The step is written as two: SQLite looks
 * up a comparison of both columns at once by the first of them only.) Of `deployments` alone it passes over the builds' jobs, and
 * costs as many as wait.
 */
export async function readyHeads(db: Kysely<Database>, of: 'all' | 'deployments' = 'all'): Promise<Head[]> {
  const isReady = of === 'all' ? sql`ready = 1` : sql`ready = 1 and deployment_id is not null`;
  const { rows } = await sql<Head>`
    with recursive heads (seq) as (
      select seq from (
        select seq from jobs where ${isReady}
        order by runs_on, concurrency_group, priority desc, seq limit 1
      ) as first
      union all
      select coalesce(
        (
          select seq from jobs as following
          where ${isReady} and runs_on = head.runs_on and concurrency_group > head.concurrency_group
          order by concurrency_group, priority desc, seq limit 1
        ),
        (
          select seq from jobs as following
          where ${isReady} and runs_on > head.runs_on
          order by runs_on, concurrency_group, priority desc, seq limit 1
        )
      )
      from heads inner join jobs as head on head.seq = heads.seq
    )
    select jobs.seq, jobs.build_id, jobs.runs_on, jobs.priority, jobs.concurrency_group, jobs.concurrency_limit,
      case when jobs.concurrency_group = '' then 0 else (
        select count(*) from jobs as other
        where other.status = 'running' and other.concurrency_group <> ''
          and other.concurrency_group = jobs.concurrency_group
      ) end as running
    from heads inner join jobs on jobs.seq = heads.seq`.execute(db);
  return rows.map((row) => ({ ...row, running: Number(row.running) }));
}

/** Whether as many of its group run as may. */
export function isGroupFull({ concurrency_group, concurrency_limit, running }: Head): boolean {
  return concurrency_group !== '' && running >= concurrency_limit;
}
