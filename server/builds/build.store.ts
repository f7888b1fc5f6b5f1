import type { Status } from '@reprise/pipelines/status.ts';
import type { Kysely, Transaction } from 'kysely';
import { isAmong } from '../db/dialect.ts';
import type { Build, Database, TriggerKind } from '../db/schema.ts';

/** What pages and lists show of a build; the recorded plan and the facts for filters stay out, they can be large. */
const SHOWN = [
  'id',
  'project_id',
  'number',
  'status',
  'why',
  'commit_sha',
  'ref',
  'branch',
  'tag',
  'pull_request',
  'message',
  'author_name',
  'author_email',
  'trigger_kind',
  'trigger_by',
  'trigger_reason',
  'rebuild_of',
  'version',
  'pipeline_from',
  'plan_sha256',
  'queued_at',
  'started_at',
  'finished_at',
  'revision',
  'pinned_at',
  'pinned_by',
  'pinned_reason',
  'removed_at',
  'removed_why',
] as const satisfies (keyof Build)[];

export type ShownBuild = Pick<Build, (typeof SHOWN)[number]>;

export interface BuildFilter {
  branch?: string;
  status?: Status;
  /** A full or shortened object name, lower case. */
  commit?: string;
  trigger?: TriggerKind;
  /** Only builds with a smaller number. */
  before?: number;
  limit: number;
}

/** A project's builds, newest first. Builds that were skipped are listed only when asked for by that status. */
export function listBuilds(
  db: Kysely<Database>,
  projectId: string,
  filter: BuildFilter,
): Promise<ShownBuild[]> {
  const { branch, status, commit, trigger, before, limit } = filter;
  let query = db.selectFrom('builds').select(SHOWN).where('project_id', '=', projectId);
  query = status ? query.where('status', '=', status) : query.where('status', '<>', 'skipped');
  if (branch !== undefined) query = query.where('branch', '=', branch);
  if (trigger) query = query.where('trigger_kind', '=', trigger);
  // A range, so that the index over commits answers a prefix, too: "g" follows every hexadecimal digit.
  if (commit) query = query.where('commit_sha', '>=', commit).where('commit_sha', '<', `${commit}g`);
  if (before !== undefined) query = query.where('number', '<', before);
  return query.orderBy('number', 'desc').limit(limit).execute();
}

/** A build and the name of its project. */
export type NamedBuild = ShownBuild & { seq: number; project: string };

/**
 * Builds over projects, newest first; `before` is the `seq` of the last one seen, `visible` the projects' names to which the
 * list is narrowed, null for all. The newest of each project are found in an index, and of those the newest are read: what
 * the first page costs grows with the projects, not with their builds.
 */
export async function listAllBuilds(
  db: Kysely<Database>,
  o: { status?: Status; before?: number; limit: number; visible: readonly string[] | null },
): Promise<NamedBuild[]> {
  const { status, before, limit, visible } = o;
  const newest = await db
    .selectFrom('projects')
    .innerJoin('builds', (on) =>
      on.on((eb) =>
        isAmong(
          db,
          'builds.seq',
          eb
            .selectFrom('builds as newest')
            .select('newest.seq')
            .whereRef('newest.project_id', '=', 'projects.id')
            .where('newest.status', status ? '=' : '<>', status ?? 'skipped')
            .$if(before !== undefined, (query) => query.where('newest.seq', '<', before ?? 0))
            .orderBy('newest.number', 'desc')
            .limit(limit),
        ),
      ),
    )
    .select('builds.seq')
    .$if(visible !== null, (query) => query.where('projects.name', 'in', visible ?? []))
    .orderBy('builds.seq', 'desc')
    .limit(limit)
    .execute();
  return db
    .selectFrom('builds')
    .innerJoin('projects', 'projects.id', 'builds.project_id')
    .select(SHOWN.map((column) => `builds.${column}` as const))
    .select(['builds.seq', 'projects.name as project'])
    .where(
      'builds.seq',
      'in',
      newest.map(({ seq }) => seq),
    )
    .orderBy('builds.seq', 'desc')
    .execute();
}

export function shownBuild(
  db: Kysely<Database>,
  projectId: string,
  number: number,
): Promise<ShownBuild | undefined> {
  return buildsWithNumber(db, projectId, number).select(SHOWN).executeTakeFirst();
}

/** The whole row, for those who change it. */
export function wholeBuild(
  trx: Transaction<Database>,
  projectId: string,
  number: number,
): Promise<Build | undefined> {
  return buildsWithNumber(trx, projectId, number).selectAll().executeTakeFirst();
}

function buildsWithNumber(db: Kysely<Database>, projectId: string, number: number) {
  return db.selectFrom('builds').where('project_id', '=', projectId).where('number', '=', number);
}

/** What a page shows of these builds' jobs, in the plan's order; `spec` only of those that were never tried. */
export function jobsOf(db: Kysely<Database>, buildIds: readonly string[]) {
  return db
    .selectFrom('jobs')
    .select(['id', 'build_id', 'name', 'status', 'why', 'needs', 'attempt'])
    .select(['queued_at', 'started_at', 'finished_at', 'deployment_id', 'runs_on', 'ready'])
    .select(['priority', 'concurrency_group', 'concurrency_limit'])
    .select((eb) => eb.case().when('attempt', '=', 0).then(eb.ref('spec')).end().as('spec'))
    .where('build_id', 'in', buildIds)
    .where('deployment_id', 'is', null)
    .orderBy('build_id')
    .orderBy('position')
    .execute();
}

export function attemptsOf(db: Kysely<Database>, buildIds: readonly string[]) {
  return db
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .select(['attempts.id', 'attempts.job_id', 'attempts.number', 'attempts.status', 'attempts.why'])
    .select(['attempts.runner_name', 'attempts.claimed_at', 'attempts.finished_at', 'attempts.log_size'])
    .where('jobs.build_id', 'in', buildIds)
    .orderBy('attempts.number')
    .execute();
}

/** The steps of each job's latest attempt. */
export function stepsOf(db: Kysely<Database>, buildIds: readonly string[]) {
  return db
    .selectFrom('steps')
    .innerJoin('attempts', 'attempts.id', 'steps.attempt_id')
    .innerJoin('jobs', (on) =>
      on.onRef('jobs.id', '=', 'attempts.job_id').onRef('jobs.attempt', '=', 'attempts.number'),
    )
    .selectAll('steps')
    .select('attempts.job_id')
    .where('jobs.build_id', 'in', buildIds)
    .orderBy('steps.position')
    .execute();
}

export function artifactsOf(db: Kysely<Database>, buildIds: readonly string[]) {
  return db.selectFrom('artifacts').selectAll().where('build_id', 'in', buildIds).orderBy('name').execute();
}
