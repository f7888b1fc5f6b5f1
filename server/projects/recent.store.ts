import type { Kysely } from 'kysely';
import { isAmong } from '../db/dialect.ts';
import type { Build, Database } from '../db/schema.ts';
import { LOOKED_BACK } from './project.api.ts';
import { LATEST_BUILD, type LatestBuild } from './project.store.ts';

/** Builds of which the picture of a project's past is made. */
const RECENT = 30;

export type BranchBuild = { project_id: string; branch: string | null; seq: number };

/**
 * Of each branch among a project's last builds, the `seq` of its newest build that was not skipped; no order. Looks at a
 * bounded number of rows for each project, however many builds are kept.
 */
export function latestOfBranches(
  db: Kysely<Database>,
  projectIds: readonly string[],
): Promise<BranchBuild[]> {
  return (
    db
      .selectFrom('projects')
      .innerJoin('builds', 'builds.project_id', 'projects.id')
      .select(['builds.project_id', 'builds.branch', (eb) => eb.fn.max('builds.seq').as('seq')])
      .where('projects.id', 'in', projectIds)
      // Asked for beside, so that PostgreSQL sees that it pays to know it before it looks into the index.
      .where(({ eb, selectFrom }) =>
        eb(
          'builds.number',
          '>',
          selectFrom('projects as same')
            .select((is) => is('same.last_build_number', '-', LOOKED_BACK).as('past'))
            .whereRef('same.id', '=', 'projects.id'),
        ),
      )
      .where('builds.status', '<>', 'skipped')
      .where('builds.branch', 'is not', null)
      .groupBy(['builds.project_id', 'builds.branch'])
      .execute()
  );
}

/** The builds of those `seq`s, by `seq`. */
export async function buildsAt(
  db: Kysely<Database>,
  seqs: readonly number[],
): Promise<Map<number, LatestBuild>> {
  if (seqs.length === 0) return new Map();
  const builds = await db
    .selectFrom('builds')
    .select('seq')
    .select(LATEST_BUILD)
    .where('seq', 'in', seqs)
    .execute();
  return new Map(builds.map((build) => [build.seq, build]));
}

export type RecentBuild = Pick<
  Build,
  'project_id' | 'number' | 'status' | 'queued_at' | 'started_at' | 'finished_at'
>;

/** Of each project the last builds that were not skipped, by project id, the oldest first. */
export async function recentBuilds(
  db: Kysely<Database>,
  projectIds: readonly string[],
): Promise<Map<string, RecentBuild[]>> {
  const builds = await db
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
            .where((is) => is('newest.number', '>', is('projects.last_build_number', '-', LOOKED_BACK)))
            .where('newest.status', '<>', 'skipped')
            .orderBy('newest.number', 'desc')
            .limit(RECENT),
        ),
      ),
    )
    .select(['builds.project_id', 'builds.number', 'builds.status'])
    .select(['builds.queued_at', 'builds.started_at', 'builds.finished_at'])
    .where('projects.id', 'in', projectIds)
    .orderBy('builds.seq')
    .execute();
  return Map.groupBy(builds, ({ project_id }) => project_id);
}

/** When each project's newest delivery came, by project id; null where none ever did. */
export async function lastDeliveries(
  db: Kysely<Database>,
  projectIds: readonly string[],
): Promise<Map<string, number | null>> {
  const rows = await db
    .selectFrom('projects')
    .select('id')
    .select((eb) =>
      eb
        .selectFrom('deliveries')
        .select('received_at')
        .whereRef('deliveries.project_id', '=', 'projects.id')
        .where('deliveries.event', '<>', 'look')
        .orderBy('deliveries.seq', 'desc')
        .limit(1)
        .as('at'),
    )
    .where('id', 'in', projectIds)
    .execute();
  return new Map(rows.map(({ id, at }) => [id, at]));
}
