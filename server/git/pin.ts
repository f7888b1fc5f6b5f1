import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Git, read } from './git.ts';
import { isSha } from './names.ts';

/** Where pins are among the refs. */
export const KEPT = 'refs/reprise/keep';

/** The ref in a mirror that keeps a built commit, whatever becomes of its branch. */
export function keepRef(sha: string): string {
  return `${KEPT}/${sha}`;
}

/**
 * Keeps commit `sha`, which the caller knows to be in the mirror. Written as git itself writes a ref (lock file, sync,
 * rename), without a process. Keeping it again changes nothing.
 */
export async function pinCommit(directory: string, sha: string): Promise<void> {
  if (!isSha(sha)) throw new Error(`Not a full object name: ${JSON.stringify(sha)}.`);
  const ref = join(directory, keepRef(sha));
  const held = await readFile(ref, 'latin1').catch(() => null);
  if (held === `${sha}\n`) return;
  await mkdir(join(directory, KEPT), { recursive: true });
  const lock = `${ref}.lock`;
  try {
    await using file = await open(lock, 'wx');
    await file.writeFile(`${sha}\n`);
    await file.sync();
  } catch (error) {
    // Somebody else writes the same: such a ref can only ever have this one value.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    await rm(lock, { force: true });
    throw error;
  }
  await rename(lock, ref);
}

/** Takes the pin away, wherever git keeps it. What the commit brought stays until git clears its objects. */
export async function unpinCommit(git: Git, sha: string): Promise<void> {
  await read(git, ['update-ref', '-d', keepRef(sha)]);
}

/** Every pinned commit, read from the ref files themselves, so that it works for a damaged repository too. */
export async function pinnedCommits(directory: string): Promise<string[]> {
  const packed = await readFile(join(directory, 'packed-refs'), 'latin1').catch(() => '');
  const loose = await readdir(join(directory, KEPT)).catch(() => []);
  const shas = [...packed.matchAll(/^[0-9a-f]{40} refs\/reprise\/keep\/([0-9a-f]{40})$/gm)].map(
    (m) => m[1] ?? '',
  );
  return [...new Set([...shas, ...loose.filter(isSha)])];
}
