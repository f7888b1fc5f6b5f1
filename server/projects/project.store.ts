import type { Status } from '@reprise/pipelines/status.ts';
import type { Kysely } from 'kysely';
import { isTaken } from '../db/dialect.ts';
import type { Build, Database, Project } from '../db/schema.ts';
import { notFound } from '../http/refusal.ts';

/** What is shown of a build beside its project. */
export const LATEST_BUILD = [
  'builds.project_id',
  'builds.number',
  'builds.status',
  'builds.why',
  'builds.commit_sha',
  'builds.ref',
  'builds.branch',
  'builds.tag',
  'builds.message',
  'builds.version',
  'builds.queued_at',
  'builds.started_at',
  'builds.finished_at',
] as const satisfies `builds.${keyof Build}`[];

type Unprefixed<Column> = Column extends `builds.${infer Name extends keyof Build}` ? Name : never;
export type LatestBuild = Pick<Build, Unprefixed<(typeof LATEST_BUILD)[number]>>;

/** The project of that name; refused 404 where there is none. */
export async function projectNamed(db: Kysely<Database>, name: string): Promise<Project> {
  const project = await db.selectFrom('projects').selectAll().where('name', '=', name).executeTakeFirst();
  if (!project) throw notFound(`The project ${JSON.stringify(name)}`);
  return project;
}

/**
 * Projects, newest first, of which one more than `limit` is returned where there are more. `before`: a project's name;
 * `visible`: the names to which the list is narrowed, null: all.
 */
export async function listProjects(
  db: Kysely<Database>,
  o: { before: string | undefined; limit: number; visible: readonly string[] | null },
): Promise<Project[]> {
  const { before, limit, visible } = o;
  let query = db.selectFrom('projects').selectAll();
  if (visible !== null) query = query.where('name', 'in', visible);
  if (before !== undefined) {
    const edge = await projectNamed(db, before);
    query = query.where((eb) =>
      eb.or([
        eb('created_at', '<', edge.created_at),
        eb.and([eb('created_at', '=', edge.created_at), eb('id', '<', edge.id)]),
      ]),
    );
  }
  return query
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
}

/** Of each project the newest build that was not skipped, by project id. One query, an index look-up for each project. */
export async function latestBuilds(
  db: Kysely<Database>,
  projectIds: readonly string[],
): Promise<Map<string, LatestBuild>> {
  if (projectIds.length === 0) return new Map();
  const builds = await db
    .selectFrom('projects')
    .innerJoin('builds', (on) =>
      on
        .onRef('builds.project_id', '=', 'projects.id')
        .on('builds.number', '=', (eb) =>
          eb
            .selectFrom('builds as newest')
            .select('newest.number')
            .whereRef('newest.project_id', '=', 'projects.id')
            .where('newest.status', '<>', 'skipped')
            .orderBy('newest.number', 'desc')
            .limit(1),
        ),
    )
    .select(LATEST_BUILD)
    .where('projects.id', 'in', projectIds)
    .execute();
  return new Map(builds.map((build) => [build.project_id, build]));
}

/** The builds of each of these commits, newest first; those that were skipped left out. */
export async function buildsOfCommits(
  db: Kysely<Database>,
  projectId: string,
  shas: readonly string[],
): Promise<Map<string, { number: number; status: Status }[]>> {
  if (shas.length === 0) return new Map();
  const builds = await db
    .selectFrom('builds')
    .select(['commit_sha', 'number', 'status'])
    .where('project_id', '=', projectId)
    .where('commit_sha', 'in', shas)
    .where('status', '<>', 'skipped')
    .orderBy('number', 'desc')
    .execute();
  const bySha = Map.groupBy(builds, ({ commit_sha }) => commit_sha);
  return new Map(
    [...bySha].map(([sha, rows]) => [sha, rows.map(({ number, status }) => ({ number, status }))]),
  );
}

/** Whether an error says that the name is taken. */
export function isNameTaken(error: unknown): boolean {
  return isTaken(error, 'projects', 'name');
}

/** Of a project's builds, how many have not ended. */
export async function countUnended(db: Kysely<Database>, projectId: string): Promise<number> {
  const { count } = await db
    .selectFrom('builds')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('project_id', '=', projectId)
    .where('status', 'in', ['queued', 'blocked', 'running'])
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Ids of all attempts of a project, under which their logs are stored. */
export async function attemptsOfProject(db: Kysely<Database>, projectId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .innerJoin('builds', 'builds.id', 'jobs.build_id')
    .select('attempts.id')
    .where('builds.project_id', '=', projectId)
    .execute();
  return rows.map(({ id }) => id);
}

/** Digests under which the artifacts of a project, and their lists of files, are stored. */
export async function digestsOfProject(db: Kysely<Database>, projectId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('artifacts')
    .innerJoin('builds', 'builds.id', 'artifacts.build_id')
    .select(['artifacts.sha256', 'artifacts.manifest_sha256'])
    .where('builds.project_id', '=', projectId)
    .execute();
  const bundles = await db
    .selectFrom('bundles')
    .select('sha256')
    .where('project_id', '=', projectId)
    .execute();
  return [...rows.flatMap((row) => [row.sha256, row.manifest_sha256]), ...bundles.map((row) => row.sha256)];
}
