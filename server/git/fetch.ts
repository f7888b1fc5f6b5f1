import { lookUp } from './batch.ts';
import { MirrorFault } from './fault.ts';
import type { Refused } from './fetch-queue.ts';
import type { Git } from './git.ts';
import { isSha } from './names.ts';
import { clearLeftovers } from './tidy.ts';
import { ALL_REFS, refspec, type Upstream } from './upstream.ts';
import type { Wants } from './wants.ts';

interface Fetch {
  git: Git;
  directory: string;
  upstream: Upstream;
  signal: AbortSignal;
}

/**
 * Brings what is wanted into a mirror. Named wants alone take one process: they and the tags (the version rule needs all
 * of them). Where the upstream does not have one of them, or everything is wanted, every branch and tag is fetched, and what
 * is then still missing is asked for by name, one by one. Returns the names that could not be had.
 */
export async function fetchWants(fetch: Fetch, wants: Readonly<Wants>): Promise<Refused> {
  const names = [...wants.names];
  if (!wants.all && names.length > 0) {
    const tags = ALL_REFS[1];
    const named = names.filter((name) => !name.startsWith('refs/tags/')).map(refspec);
    if ((await unlocked(fetch, [tags, ...named])) === 'done') return new Set();
  }
  if ((await unlocked(fetch, ALL_REFS)) === 'refused')
    throw new MirrorFault(
      'unreachable',
      'The upstream offered branches and tags, but did not give them. Try again.',
    );
  return fetchMissing(fetch, names);
}

/** Asks for what the branches and tags did not bring: pull requests' heads and commits that no ref leads to. */
async function fetchMissing(fetch: Fetch, names: readonly string[]): Promise<Refused> {
  const refused = new Set<string>();
  const outside = names.filter((name) => name.startsWith('refs/pull/'));
  for (const name of outside) {
    if ((await unlocked(fetch, [refspec(name)])) !== 'done') refused.add(name);
  }
  const held = names.length === 0 ? [] : await lookUp(fetch.git, names);
  for (const [at, name] of names.entries()) {
    if (held[at]) continue;
    const isFetched = isSha(name) && (await unlocked(fetch, [name])) === 'done';
    if (!isFetched) refused.add(name);
  }
  return refused;
}

/** Lock files are left by a killed git: the mirror's queue is held, so none of ours is in use. */
async function unlocked(fetch: Fetch, refspecs: readonly string[]): Promise<'done' | 'refused'> {
  const { git, directory, upstream, signal } = fetch;
  const first = await upstream.fetch(git, refspecs, signal);
  if (first !== 'locked') return first;
  await clearLeftovers(directory);
  return (await upstream.fetch(git, refspecs, signal)) === 'done' ? 'done' : 'refused';
}
