import type { Kysely } from 'kysely';
import type { Reproducibility } from '../api.ts';
import type { Database } from '../db/schema.ts';
import type { ShownBuild } from './build.store.ts';

type Compared = Pick<ShownBuild, 'id' | 'project_id' | 'number' | 'commit_sha' | 'plan_sha256'>;

/**
 * For a list: whether each build's artifacts are the same as those of other builds of its commit and plan, by build and
 * artifact name, found with one query for all of one project's builds. Which files differ is not looked up: that is in a
 * build's own answer (`artifacts/compare.ts`).
 */
export async function reproduced(
  reader: Kysely<Database>,
  builds: readonly Compared[],
): Promise<Map<string, Map<string, Reproducibility>>> {
  const [first] = builds;
  if (!first) return new Map();
  const made = await reader
    .selectFrom('builds')
    .innerJoin('artifacts', 'artifacts.build_id', 'builds.id')
    .select(['builds.id', 'builds.number', 'builds.commit_sha', 'builds.plan_sha256'])
    .select(['artifacts.name', 'artifacts.tree_sha256'])
    .where('builds.project_id', '=', first.project_id)
    .where('builds.commit_sha', 'in', [...new Set(builds.map(({ commit_sha }) => commit_sha))])
    .orderBy('builds.number')
    .execute();
  const comparable = Map.groupBy(made, ({ commit_sha, plan_sha256, name }) =>
    [commit_sha, plan_sha256, name].join(' '),
  );
  const wanted = new Map(builds.map(({ id }) => [id, new Map<string, Reproducibility>()]));
  for (const same of comparable.values()) {
    for (const own of same) wanted.get(own.id)?.set(own.name, compare(own, same));
  }
  return wanted;
}

interface Made {
  number: number;
  tree_sha256: string;
}

/** With the earliest other build; where any differs, with the earliest that does. */
function compare(own: Made, same: readonly Made[]): Reproducibility {
  const others = same.filter(({ number }) => number !== own.number);
  const other = others.find(({ tree_sha256 }) => tree_sha256 !== own.tree_sha256);
  if (other) return { state: 'different', comparedWith: other.number, differences: [] };
  const [earliest] = others;
  if (earliest) return { state: 'identical', comparedWith: earliest.number, differences: [] };
  return { state: 'unverified', comparedWith: null, differences: [] };
}
