import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { isOpen, RUNNING } from './literals.ts';

/** Jobs that are not over, in the queue's order: what runs, what may begin, and what waits for something else. */
export function openJobs(db: Kysely<Database>, o: { after: number; limit: number }) {
  return db
    .selectFrom('jobs')
    .innerJoin('builds', 'builds.id', 'jobs.build_id')
    .innerJoin('projects', 'projects.id', 'builds.project_id')
    .leftJoin('attempts', (join) =>
      join.onRef('attempts.job_id', '=', 'jobs.id').on('attempts.status', '=', RUNNING),
    )
    .select([
      'jobs.seq',
      'jobs.name as job',
      'jobs.status',
      'jobs.why',
      'jobs.ready',
      'jobs.runs_on',
      'jobs.queued_at',
      'builds.number as build',
      'projects.name as project',
      'attempts.runner_name as runner',
    ])
    .where(isOpen)
    .where('jobs.seq', '>', o.after)
    .orderBy('jobs.seq')
    .limit(o.limit)
    .execute();
}
