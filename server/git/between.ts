import type { Git } from './git.ts';
import { type ListedCommit, LOG_FORMAT, parseLine } from './history.ts';

/** How one commit is seen from another. */
export type Direction = 'same' | 'newer' | 'older' | 'aside';

/** Commits listed at most; a page shows no more. */
const MOST = 200;

/**
 * How `to` is seen from `from`, and the commits that lie between them: those that going there brings, or, where it is older, those
 * that it takes away; newest first. Both must be in the repository; null where one is not.
 */
export async function between(
  git: Git,
  from: string,
  to: string,
): Promise<{ direction: Direction; commits: ListedCommit[] } | null> {
  if (from === to) return { direction: 'same', commits: [] };
  const [forward, back] = await Promise.all([isAncestor(git, from, to), isAncestor(git, to, from)]);
  if (forward === null || back === null) return null;
  const range = back ? `${to}..${from}` : `${from}..${to}`;
  const listed = await git(['log', `--max-count=${MOST}`, LOG_FORMAT, range, '--']);
  const commits = listed.stdout.toString().split('\n').filter(Boolean).map(parseLine);
  return { direction: forward ? 'newer' : back ? 'older' : 'aside', commits };
}

/** null: one of them is not there. */
async function isAncestor(git: Git, ancestor: string, of: string): Promise<boolean | null> {
  const { code } = await git(['merge-base', '--is-ancestor', ancestor, of]);
  return code === 0 ? true : code === 1 ? false : null;
}
