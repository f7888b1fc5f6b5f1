import type { Kysely } from 'kysely';
import type { Build, Database } from '../db/schema.ts';
import { notFound } from '../http/refusal.ts';
import { type ShownBuild, shownBuild } from './build.store.ts';

/** The build that a URL names by project and number; 404 where there is none. */
export async function findBuild(db: Kysely<Database>, project: string, number: number): Promise<ShownBuild> {
  const found = await db.selectFrom('projects').select('id').where('name', '=', project).executeTakeFirst();
  if (!found) throw notFound(`Project ${project}`);
  const build = await shownBuild(db, found.id, number);
  if (!build) throw notFound(`Build ${project} #${number}`);
  return build;
}

/** Which log a URL names. */
export interface LogPlace {
  project: string;
  number: number;
  job: string;
  /** Counts from 1; the latest unless told. */
  attempt?: number;
}

/** The attempt whose log a URL names, or null for a job that nobody has tried yet; 404 where there is no such thing. */
export async function findLog(
  db: Kysely<Database>,
  { project, number, job, attempt }: LogPlace,
): Promise<{ id: string; number: number } | null> {
  const build = await findBuild(db, project, number);
  const wanted = attempt ?? (await latestAttempt(db, build, job));
  if (wanted === undefined) throw notFound(`Job ${job} of build ${project} #${number}`);
  if (wanted === 0) return null;
  const found = await db
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .select(['attempts.id', 'attempts.number'])
    .where('jobs.build_id', '=', build.id)
    .where('jobs.name', '=', job)
    .where('attempts.number', '=', wanted)
    .executeTakeFirst();
  if (!found) throw notFound(`Attempt ${wanted} of job ${job} of build ${project} #${number}`);
  return found;
}

async function latestAttempt(
  db: Kysely<Database>,
  build: Pick<Build, 'id'>,
  job: string,
): Promise<number | undefined> {
  const found = await db
    .selectFrom('jobs')
    .select('attempt')
    .where('build_id', '=', build.id)
    .where('name', '=', job)
    .executeTakeFirst();
  return found?.attempt;
}
