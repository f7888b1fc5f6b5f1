import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type GitWorld, git } from './git.ts';

/** Loose objects or packs beyond these make every lookup slower than folding them together costs. */
const LOOSE_LIMIT = 2000;
const PACK_LIMIT = 30;

/**
 * Puts loose objects (left by small fetches) and packs (left by large ones) together, so that packs grow geometrically.
 * Nothing is ever dropped, and a reader that misses a file looks again, so jobs may go on meanwhile. A failure is none of
 * the job's: the mirror serves as it is, and the next job tries again.
 */
export async function fold(world: GitWorld, mirror: string): Promise<void> {
  const args = ['repack', '--quiet', '-d', '--geometric=2'];
  await git(world, args, { directory: mirror, signal: AbortSignal.timeout(600_000) }).catch(() => undefined);
}

/** Estimated from one of the 256 directories of loose objects, as git itself does. */
export function isFoldDue(mirror: string): boolean {
  const packs = entries(join(mirror, 'objects/pack')).filter((name) => name.endsWith('.pack')).length;
  return packs > PACK_LIMIT || entries(join(mirror, 'objects/17')).length * 256 > LOOSE_LIMIT;
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
