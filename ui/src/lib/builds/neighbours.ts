import type { Build } from '@reprise/server/api.ts';
import { query } from '../api.ts';

/** The builds before and after one, of the same branch, or of the project where it has none. */
export interface Neighbours {
  previous: number | null;
  next: number | null;
}

type Listed = Pick<Build, 'number'>;

/** Asks for a list of builds, newest first; the argument is its query. */
type AskForBuilds = (query: string) => Promise<readonly Listed[]>;

/** Numbers above this one that the first question covers: on all but the busiest servers the next build is among them. */
const NEAR = 10;
/** The most one answer may hold. */
const FAR = 198;

/**
 * Finds them by few bounded questions, however many builds there are: the list can only be asked for what is below a number,
 * so a window just above this one is asked for, then further ones until the newest.
 */
export async function findNeighbours(
  ask: AskForBuilds,
  { number, branch }: Pick<Build, 'number' | 'branch'>,
): Promise<Neighbours> {
  // The window, this build, and the one before it.
  const near = await askBelow(NEAR + 2, number + NEAR + 1);
  const previous = near.find((other) => other.number < number)?.number ?? null;
  const next = lowestAbove(near, number);
  if (next !== null) return { previous, next };
  const [newest] = await ask(query({ branch, limit: 1 }));
  if (!newest || newest.number <= number) return { previous, next: null };
  for (let above = number + NEAR; above < newest.number; above += FAR) {
    const found = lowestAbove(await askBelow(FAR, above + FAR + 1), above);
    if (found !== null) return { previous, next: found };
  }
  return { previous, next: null };

  function askBelow(limit: number, before: number): Promise<readonly Listed[]> {
    return ask(query({ branch, before, limit }));
  }
}

function lowestAbove(builds: readonly Listed[], number: number): number | null {
  return builds.findLast((other) => other.number > number)?.number ?? null;
}
