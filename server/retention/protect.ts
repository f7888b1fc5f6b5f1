import { type Kysely, sql } from 'kysely';
import type { Build, Database, PromotionState } from '../db/schema.ts';

/** What is looked at of a build to say whether it may go. */
export type HeldBuild = Pick<
  Build,
  | 'id'
  | 'project_id'
  | 'number'
  | 'status'
  | 'branch'
  | 'commit_sha'
  | 'finished_at'
  | 'held_bytes'
  | 'pinned_at'
  | 'pinned_by'
  | 'pinned_reason'
>;

/**
 * Of these ended builds, why those stay that may not go whatever the rules say, by id: what is live somewhere, was promoted
 * (and may be gone back to), is pinned, or is its branch's latest that passed.
 */
export async function whyTheyStay(
  db: Kysely<Database>,
  builds: readonly HeldBuild[],
): Promise<Map<string, string>> {
  const stay = new Map<string, string>();
  if (builds.length === 0) return stay;
  const ids = builds.map(({ id }) => id);
  for (const { id, branch } of await latestPassed(db, ids))
    stay.set(id, `It is the latest build of ${branch} that passed.`);
  for (const { build_id, environment, live_on, state } of await promotionsOf(db, ids)) {
    const before = stay.get(build_id) ?? '';
    if (live_on !== null) stay.set(build_id, `It is live in ${environment}.`);
    else if (!before.startsWith('It is live')) stay.set(build_id, PROMOTED[state](environment));
  }
  for (const { id, pinned_at, pinned_by, pinned_reason } of builds)
    if (pinned_at !== null) stay.set(id, `${pinned_by} pinned it: ${pinned_reason}`);
  return stay;
}

const PROMOTED: Record<PromotionState, (environment: string) => string> = {
  waiting: (environment) => `Its promotion to ${environment} is under way.`,
  approved: (environment) => `Its promotion to ${environment} is under way.`,
  done: (environment) => `It was promoted to ${environment}, which may go back to it.`,
  rejected: (environment) => `It was to go to ${environment}: what was decided of it is kept with it.`,
  void: (environment) => `It was to go to ${environment}: what was decided of it is kept with it.`,
};

/** Each of them looks for a newer one in the index of passed builds, so that it costs the same however many there are. */
function latestPassed(db: Kysely<Database>, ids: readonly string[]) {
  return db
    .selectFrom('builds')
    .select(['builds.id', 'builds.branch'])
    .where('builds.id', 'in', ids)
    .where('builds.status', '=', 'passed')
    .where('builds.branch', 'is not', null)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('builds as newer')
            .select('newer.id')
            .whereRef('newer.project_id', '=', 'builds.project_id')
            .whereRef('newer.branch', '=', 'builds.branch')
            .whereRef('newer.number', '>', 'builds.number')
            .where('newer.status', '=', sql.lit('passed' as const))
            .where('newer.removed_at', 'is', null),
        ),
      ),
    )
    .execute();
}

function promotionsOf(db: Kysely<Database>, ids: readonly string[]) {
  return db
    .selectFrom('promotions')
    .leftJoin('host_states', 'host_states.promotion_id', 'promotions.id')
    .select(['promotions.build_id', 'promotions.environment', 'promotions.state'])
    .select('host_states.host as live_on')
    .where('promotions.build_id', 'in', ids)
    .orderBy('promotions.seq')
    .execute();
}
