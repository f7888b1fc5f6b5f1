import type { Kysely, Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';
import { removeLater } from '../retention/removals.ts';

/** Commits looked at, and rows written, in one statement. */
const AT_ONCE = 500;

/** One of a project's bundles, and how many of the commits recorded with it are still pinned. */
export interface ChainedBundle {
  number: number;
  sha256: string;
  size: number;
  damaged_at: number | null;
  commits: number;
}

/** A project's bundles, the oldest first: each is built upon those before it. */
export function chainOf(db: Kysely<Database>, projectId: string): Promise<ChainedBundle[]> {
  return db
    .selectFrom('bundles')
    .select(['number', 'sha256', 'size', 'damaged_at'])
    .select((eb) =>
      eb
        .selectFrom('bundled_commits')
        .whereRef('bundled_commits.project_id', '=', 'bundles.project_id')
        .whereRef('bundled_commits.bundle', '=', 'bundles.number')
        .select((count) => count.fn.countAll<number>().as('commits'))
        .as('commits'),
    )
    .where('project_id', '=', projectId)
    .orderBy('number')
    .execute()
    .then((rows) => rows.map((row) => ({ ...row, commits: Number(row.commits) })));
}

/** The number of the bundle that a commit was recorded with, of each that is in one. */
export async function bundlesOf(
  db: Kysely<Database>,
  projectId: string,
  shas: readonly string[],
): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('bundled_commits')
    .select(['commit_sha', 'bundle'])
    .where('project_id', '=', projectId)
    .where('commit_sha', 'in', [...shas, ''])
    .execute();
  return new Map(rows.map(({ commit_sha, bundle }) => [commit_sha, bundle]));
}

/** Pinned commits recorded with bundles `from` up to before `to`. */
export async function commitsIn(
  db: Kysely<Database>,
  projectId: string,
  { from = 0, to = Number.MAX_SAFE_INTEGER }: { from?: number | undefined; to?: number | undefined },
): Promise<string[]> {
  const rows = await db
    .selectFrom('bundled_commits')
    .select('commit_sha')
    .where('project_id', '=', projectId)
    .where('bundle', '>=', from)
    .where('bundle', '<', to)
    .execute();
  return rows.map(({ commit_sha }) => commit_sha);
}

/** Built commits that no bundle has, those that are due longest first, and since when they have been pinned. */
export async function dueCommits(
  db: Kysely<Database>,
  projectId: string,
  { now, limit }: { now: number; limit: number },
): Promise<{ sha: string; since: number }[]> {
  await settleDue(db, projectId);
  const rows = await db
    .selectFrom('builds')
    .select('commit_sha as sha')
    .select((eb) => eb.fn.min(eb.fn.coalesce('planned_at', 'finished_at')).as('since'))
    .where('project_id', '=', projectId)
    .where('bundle_due_at', '<=', now)
    .where((eb) => eb.or([eb('planned_at', 'is not', null), eb('finished_at', 'is not', null)]))
    .groupBy('commit_sha')
    .orderBy((eb) => eb.fn.min('bundle_due_at'))
    .orderBy((eb) => eb.fn.min('seq'))
    .limit(limit)
    .execute();
  return rows.map(({ sha, since }) => ({ sha, since: since ?? 0 }));
}

/** Commits that cannot be had here are looked for again `at`; those that nobody ever saw are not. */
export async function postpone(
  db: Kysely<Database>,
  projectId: string,
  { shas, at }: { shas: readonly string[]; at: number },
): Promise<void> {
  if (shas.length === 0) return;
  const theirs = db
    .updateTable('builds')
    .where('project_id', '=', projectId)
    .where('commit_sha', 'in', shas)
    .where('bundle_due_at', 'is not', null);
  await theirs.set({ bundle_due_at: at }).where('commit_time', 'is not', null).execute();
  await theirs.set({ bundle_due_at: null }).where('commit_time', 'is', null).execute();
}

/** What a bundle's blob is found to be must be made good: the next round makes it, and those built upon it, again. */
export async function markDamaged(
  db: Kysely<Database>,
  projectId: string,
  { number, at }: { number: number; at: number },
): Promise<void> {
  await db
    .updateTable('bundles')
    .set({ damaged_at: at })
    .where('project_id', '=', projectId)
    .where('number', '=', number)
    .where('damaged_at', 'is', null)
    .execute();
}

/**
 * Records that `commits` are in the first `base` bundles of `chain` and `made`, which takes the place of those after them; without `made`
 * they are in the first ones alone. `lost` are of the replaced ones and in no bundle any more. false, and nothing is recorded: the project
 * or its bundles are not what they were.
 */
export async function replaceTail(
  db: Kysely<Database>,
  projectId: string,
  o: {
    chain: readonly ChainedBundle[];
    base: number;
    made: { sha256: string; size: number } | null;
    commits: readonly string[];
    lost: readonly string[];
    now: number;
  },
): Promise<boolean> {
  const { chain, base, made, now } = o;
  return db.transaction().execute(async (trx) => {
    if (!(await isAsItWas(trx, projectId, chain))) return false;
    const number = made ? (chain.at(-1)?.number ?? 0) + 1 : (chain[base - 1]?.number ?? 0);
    if (made) {
      const row = { project_id: projectId, number, ...made, made_at: now };
      await trx.insertInto('bundles').values(row).execute();
    }
    const replaced = chain.slice(base);
    const numbers = [...replaced.map((bundle) => bundle.number), 0];
    for (const table of ['bundled_commits', 'bundles'] as const)
      await trx
        .deleteFrom(table)
        .where('project_id', '=', projectId)
        .where(table === 'bundles' ? 'number' : 'bundle', 'in', numbers as never)
        .execute();
    const digests = replaced.map(({ sha256 }) => sha256).filter((sha256) => sha256 !== made?.sha256);
    await removeLater(trx, 'blobs', digests, now);
    await insertCommits(trx, projectId, { commits: o.commits, number });
    await settleDue(trx, projectId);
    await makeDue(trx, projectId, { shas: o.lost, at: now });
    return true;
  });
}

/** Two servers may have been about it: who comes later must not take away what it has not seen. */
async function isAsItWas(
  trx: Transaction<Database>,
  projectId: string,
  chain: readonly ChainedBundle[],
): Promise<boolean> {
  const project = await trx
    .selectFrom('projects')
    .select('id')
    .where('id', '=', projectId)
    .executeTakeFirst();
  const present = await trx
    .selectFrom('bundles')
    .select('number')
    .where('project_id', '=', projectId)
    .orderBy('number')
    .execute();
  const numbers = (bundles: readonly { number: number }[]) => bundles.map(({ number }) => number).join();
  return project !== undefined && numbers(present) === numbers(chain);
}

/** Those of which a build is still there: the others were unpinned meanwhile. */
async function insertCommits(
  trx: Transaction<Database>,
  projectId: string,
  { commits, number }: { commits: readonly string[]; number: number },
): Promise<void> {
  for (let at = 0; at < commits.length; at += AT_ONCE) {
    const built = await trx
      .selectFrom('builds')
      .select('commit_sha')
      .distinct()
      .where('project_id', '=', projectId)
      .where('commit_sha', 'in', commits.slice(at, at + AT_ONCE))
      .execute();
    if (built.length === 0) continue;
    await trx
      .insertInto('bundled_commits')
      .values(built.map(({ commit_sha }) => ({ project_id: projectId, commit_sha, bundle: number })))
      .onConflict((oc) => oc.columns(['project_id', 'commit_sha']).doNothing())
      .execute();
  }
}

/** Of a commit that is in a bundle by now, another build may have come. */
async function settleDue(db: Kysely<Database>, projectId: string): Promise<void> {
  await db
    .updateTable('builds')
    .set({ bundle_due_at: null })
    .where('project_id', '=', projectId)
    .where('bundle_due_at', 'is not', null)
    .where('commit_sha', 'in', (eb) =>
      eb.selectFrom('bundled_commits').select('commit_sha').where('project_id', '=', projectId),
    )
    .execute();
}

async function makeDue(
  db: Kysely<Database>,
  projectId: string,
  { shas, at }: { shas: readonly string[]; at: number },
): Promise<void> {
  for (let from = 0; from < shas.length; from += AT_ONCE)
    await db
      .updateTable('builds')
      .set({ bundle_due_at: at })
      .where('project_id', '=', projectId)
      .where('commit_sha', 'in', shas.slice(from, from + AT_ONCE))
      .execute();
}
