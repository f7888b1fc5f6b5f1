import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';
import { isOpen, isRunning, NO_GROUP, RUNNING } from './literals.ts';

/** More does not fit a list. */
const LONGEST_SUBJECT = 500;

/** A job's place in the queue. */
export interface Place {
  isRunning: boolean;
  priority: number;
  seq: number;
}

/**
 * Jobs that are not over, in the queue's order: what runs, then what waits, most priority first, then the oldest. `after`: only what
 * comes after that place. `projects`: only of these, by name; null: of all.
 */
export function openJobs(
  db: Kysely<Database>,
  o: { after: Place | null; limit: number; projects: readonly string[] | null },
) {
  return (
    db
      .selectFrom('jobs')
      .innerJoin('builds', 'builds.id', 'jobs.build_id')
      .innerJoin('projects', 'projects.id', 'builds.project_id')
      .leftJoin('attempts', (join) =>
        join.onRef('attempts.job_id', '=', 'jobs.id').on('attempts.status', '=', RUNNING),
      )
      .leftJoin('deployments', 'deployments.id', 'jobs.deployment_id')
      .select([
        'jobs.seq',
        'jobs.name as job',
        'jobs.status',
        'jobs.why',
        'jobs.ready',
        'jobs.deployment_id',
        'jobs.runs_on',
        'jobs.priority',
        'jobs.concurrency_group',
        'jobs.concurrency_limit',
        'jobs.queued_at',
        'jobs.started_at',
        'builds.branch',
        'builds.trigger_kind',
        'builds.trigger_by',
        'builds.trigger_reason',
        'builds.number as build',
        'projects.name as project',
        'attempts.runner_name as runner',
        'deployments.environment',
      ])
      // A commit's message may be a book.
      .select(sql<string>`substr(builds.message, 1, ${LONGEST_SUBJECT})`.as('message'))
      .select((eb) =>
        eb
          .selectFrom('steps')
          .select('steps.name')
          .whereRef('steps.attempt_id', '=', 'attempts.id')
          .where('steps.status', '=', RUNNING)
          .limit(1)
          .as('step'),
      )
      .where(isOpen)
      .where((eb) => (o.after === null ? eb.lit(true) : isAfter(o.after)))
      .$if(o.projects !== null, (query) => query.where('projects.name', 'in', o.projects ?? []))
      .orderBy(isRunning, 'desc')
      .orderBy('jobs.priority', 'desc')
      .orderBy('jobs.seq')
      .limit(o.limit)
      .execute()
  );
}

function isAfter({ isRunning: wasRunning, priority, seq }: Place) {
  const later = sql<boolean>`(jobs.priority < ${priority} or (jobs.priority = ${priority} and jobs.seq > ${seq}))`;
  return wasRunning
    ? sql<boolean>`(not ${isRunning} or ${later})`
    : sql<boolean>`(not ${isRunning} and ${later})`;
}

/** The jobs that run in concurrency groups: in which, and of which builds they are. */
export function buildsInGroups(db: Kysely<Database>): Promise<{ group: string; build: number }[]> {
  return db
    .selectFrom('jobs')
    .innerJoin('builds', 'builds.id', 'jobs.build_id')
    .select(['jobs.concurrency_group as group', 'builds.number as build'])
    .where('jobs.status', '=', RUNNING)
    .where('jobs.concurrency_group', '<>', NO_GROUP)
    .execute();
}
