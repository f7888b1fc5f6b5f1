import type { Kysely } from 'kysely';
import type { Database, HostState } from '../db/schema.ts';

/** What is live on the hosts of one environment. */
export interface LiveState {
  hosts: readonly HostState[];
  /** The promotion that is live on every known host alike; null: none, or not the same everywhere. */
  promotion: LivePromotion | null;
}

export type LivePromotion = Awaited<ReturnType<typeof promotionsOf>>[number];

/** What the records say is live in an environment, per host. */
export async function liveState(
  db: Kysely<Database>,
  { projectId, environment }: { projectId: string; environment: string },
): Promise<LiveState> {
  const hosts = await db
    .selectFrom('host_states')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('environment', '=', environment)
    .orderBy('host')
    .execute();
  const ids = new Set(hosts.map(({ promotion_id }) => promotion_id));
  const [id] = ids;
  if (ids.size !== 1 || !id) return { hosts, promotion: null };
  const [promotion = null] = await promotionsOf(db, [id]);
  return { hosts, promotion };
}

/** Promotions with the facts of their builds and artifacts. */
export function promotionsOf(db: Kysely<Database>, ids: readonly string[]) {
  return db
    .selectFrom('promotions')
    .innerJoin('builds', 'builds.id', 'promotions.build_id')
    .innerJoin('artifacts', 'artifacts.id', 'promotions.artifact_id')
    .selectAll('promotions')
    .select(['builds.number as build', 'builds.version', 'builds.commit_sha', 'builds.branch', 'builds.tag'])
    .select(['artifacts.name as artifact', 'artifacts.file_name', 'artifacts.tree_sha256'])
    .where('promotions.id', 'in', ids.length === 0 ? [''] : ids)
    .execute();
}

/** Whether an artifact is live, known and not unhealthy on every one of these hosts. */
export function isLiveOn(state: LiveState, hosts: readonly string[], sha256: string): boolean {
  if (state.promotion?.sha256 !== sha256) return false;
  return hosts.every((host) => {
    const found = state.hosts.find((known) => known.host === host);
    return found !== undefined && found.is_known === 1 && found.healthy !== 0 && found.release !== null;
  });
}
