import type { ListedCommit, ListedRef } from '@reprise/server/projects/project.api.ts';

/** Something that can be built: a branch or tag as it is now, a commit, or what was typed, for the server to find. */
export type Choice =
  | { kind: 'ref'; key: string; ref: string; listed: ListedRef; builds: ListedCommit['builds'] }
  | { kind: 'commit'; key: string; ref: string; commit: ListedCommit; refs: ListedRef[] }
  | { kind: 'typed'; key: string; ref: string };

export interface ChoiceGroup {
  title: string;
  choices: Choice[];
}

/** More branches and tags would push the commits out of sight; typing narrows them down. */
const REFS_SHOWN = 6;

/**
 * What is offered for a query, in groups: with a query the branches and tags that match it first, then commits, and last the
 * query itself where none of these is it, as the server may know more than it lists. `history`: whose commits they are.
 */
export function choicesFor(o: {
  query: string;
  history: string;
  refs: readonly ListedRef[];
  commits: readonly ListedCommit[];
}): ChoiceGroup[] {
  const query = o.query.trim();
  const refsAt = Map.groupBy(o.refs, ({ commit }) => commit);
  const buildsOf = new Map(o.commits.map(({ sha, builds }) => [sha, builds]));
  const refs = [...o.refs].sort((a, b) => rank(b, query) - rank(a, query)).slice(0, query ? REFS_SHOWN : 0);
  const groups: ChoiceGroup[] = [
    {
      title: 'Branches and tags',
      choices: refs.map((listed) => refChoice(listed, buildsOf.get(listed.commit))),
    },
    {
      title: query ? `Commits of ${o.history}` : `Newest commits of ${o.history}`,
      choices: o.commits.map((commit) => ({
        kind: 'commit',
        key: commit.sha,
        ref: commit.sha,
        commit,
        refs: refsAt.get(commit.sha) ?? [],
      })),
    },
  ];
  if (query && !isListed(query, o)) {
    groups.push({ title: 'As typed', choices: [{ kind: 'typed', key: 'typed', ref: query }] });
  }
  return groups.filter(({ choices }) => choices.length > 0);
}

function refChoice(listed: ListedRef, builds: ListedCommit['builds'] = []): Choice {
  return { kind: 'ref', key: listed.ref, ref: listed.ref, listed, builds };
}

/** What is called exactly so goes first, then what begins so. */
function rank({ name }: ListedRef, query: string): number {
  const [a, b] = [name.toLowerCase(), query.toLowerCase()];
  return a === b ? 2 : a.startsWith(b) ? 1 : 0;
}

function isListed(
  query: string,
  { refs, commits }: { refs: readonly ListedRef[]; commits: readonly ListedCommit[] },
): boolean {
  if (refs.some(({ name, ref }) => name === query || ref === query)) return true;
  const sha = query.toLowerCase();
  return /^[0-9a-f]{4,40}$/.test(sha) && commits.some((commit) => commit.sha.startsWith(sha));
}
