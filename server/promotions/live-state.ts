import type { Environment } from '@reprise/pipelines/model.ts';
import type { Kysely } from 'kysely';
import type { Database, HostState } from '../db/schema.ts';

/** What is live on the hosts of one environment. */
export interface LiveState {
  hosts: readonly HostState[];
  /** The promotion whose artifact is live on every host alike; null: none, or not the same everywhere. */
  promotion: LivePromotion | null;
}

export type LivePromotion = Awaited<ReturnType<typeof promotionsOf>>[number];

/** What the records say is live on these hosts of an environment. Hosts that were once among them and are not any more do not count. */
export async function liveState(
  db: Kysely<Database>,
  { projectId, environment }: { projectId: string; environment: Pick<Environment, 'name' | 'hosts'> },
): Promise<LiveState> {
  const hosts = await db
    .selectFrom('host_states')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('environment', '=', environment.name)
    .where('host', 'in', environment.hosts)
    .orderBy('host')
    .execute();
  const ids = [...new Set(hosts.map(({ promotion_id }) => promotion_id))];
  const known = ids.filter((id) => id !== null);
  if (known.length === 0 || known.length !== ids.length) return { hosts, promotion: null };
  return { hosts, promotion: sameEverywhere(await promotionsOf(db, known)) };
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

/** Whether an artifact is live, known and not unhealthy on every one of these hosts, as far as anybody has looked. */
export function isLiveOn(state: LiveState, hosts: readonly string[], sha256: string): boolean {
  if (state.promotion?.sha256 !== sha256) return false;
  return hosts.every((host) => isWell(state.hosts.find((known) => known.host === host)));
}

/** The hosts that are not known to have exactly this artifact, and well: new, rebuilt, drifted, unhealthy or unknown. */
export async function hostsToConverge(
  db: Kysely<Database>,
  { project_id: projectId, sha256 }: { project_id: string; sha256: string },
  environment: Pick<Environment, 'name' | 'hosts'>,
): Promise<string[]> {
  const { hosts } = await liveState(db, { projectId, environment });
  const ids = hosts.flatMap(({ promotion_id }) => promotion_id ?? []);
  const holding = new Set(
    (await promotionsOf(db, ids)).filter((row) => row.sha256 === sha256).map(({ id }) => id),
  );
  return environment.hosts.filter((host) => {
    const state = hosts.find((known) => known.host === host);
    return !isWell(state) || !holding.has(state?.promotion_id ?? '');
  });
}

function isWell(state: HostState | undefined): boolean {
  if (state?.is_known !== 1 || state.healthy === 0 || state.release === null) return false;
  const seen: { state: string } | null = state.probe === null ? null : JSON.parse(state.probe);
  return seen === null || seen.state === 'match';
}

/** One host may have been brought there later than the others: the promotion that they all have is the one they were asked for by. */
function sameEverywhere(promotions: readonly LivePromotion[]): LivePromotion | null {
  if (new Set(promotions.map(({ sha256 }) => sha256)).size !== 1) return null;
  const inOrder = promotions.toSorted((a, b) => a.seq - b.seq);
  return inOrder.findLast(({ kind }) => kind !== 'converge') ?? inOrder.at(-1) ?? null;
}
