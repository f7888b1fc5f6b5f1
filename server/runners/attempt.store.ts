import type { Kysely } from 'kysely';
import type { Attempt, Database, Runner } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import { logTopic, topicsOfBuild } from '../live/topics.ts';

/** An attempt and where it belongs. */
export type PlacedAttempt = Pick<
  Attempt,
  | 'id'
  | 'job_id'
  | 'number'
  | 'status'
  | 'runner_id'
  | 'fence'
  | 'cancel_requested'
  | 'claimed_at'
  | 'finish_sha256'
> & {
  job: string;
  spec: string | null;
  build_id: string;
  /** Set: the job is this deployment. */
  deployment_id: string | null;
  build: number;
  project: string;
  version: string | null;
};

export async function findAttempt(db: Kysely<Database>, id: string): Promise<PlacedAttempt | undefined> {
  return db
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .innerJoin('builds', 'builds.id', 'jobs.build_id')
    .innerJoin('projects', 'projects.id', 'builds.project_id')
    .select([
      'attempts.id',
      'attempts.job_id',
      'attempts.number',
      'attempts.status',
      'attempts.runner_id',
      'attempts.fence',
      'attempts.cancel_requested',
      'attempts.claimed_at',
      'attempts.finish_sha256',
      'jobs.name as job',
      'jobs.spec',
      'jobs.build_id',
      'jobs.deployment_id',
      'builds.number as build',
      'builds.version',
      'projects.name as project',
    ])
    .where('attempts.id', '=', id)
    .executeTakeFirst();
}

/** The attempt that this runner and fencing token speak for, over or not. Anybody else is refused. */
export async function attemptOf(
  db: Kysely<Database>,
  runner: Pick<Runner, 'id'>,
  o: { id: string; fence: string | undefined },
): Promise<PlacedAttempt> {
  const attempt = await findAttempt(db, o.id);
  if (!attempt) throw stale(o.id);
  if (attempt.runner_id !== runner.id)
    throw new Refusal(403, 'forbidden', `Attempt ${o.id} belongs to another runner.`);
  if (attempt.fence !== o.fence) throw stale(o.id);
  return attempt;
}

/** As `attemptOf`, and it runs: whatever is written for it now is still wanted. */
export async function runningAttemptOf(
  db: Kysely<Database>,
  runner: Pick<Runner, 'id'>,
  o: { id: string; fence: string | undefined },
): Promise<PlacedAttempt> {
  const attempt = await attemptOf(db, runner, o);
  if (attempt.status !== 'running') throw stale(o.id);
  return attempt;
}

export function stale(attempt: string): Refusal {
  return new Refusal(
    409,
    'stale-fence',
    `Attempt ${attempt} is over, or this is not its fencing token: end its sandbox and forget it.`,
  );
}

/** Whom the beginning or end of an attempt concerns. */
export function topicsOfAttempt(o: Pick<PlacedAttempt, 'project' | 'build' | 'job' | 'number'>): string[] {
  const { project, build, job, number } = o;
  return [...topicsOfBuild(project, build), 'queue', 'runners', logTopic(project, build, job, number)];
}
