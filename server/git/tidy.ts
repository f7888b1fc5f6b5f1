import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Git } from './git.ts';

/** Beyond these, looking for an object or a ref costs more than putting them together once. */
const MOST_PACKS = 30;
const MOST_LOOSE_OBJECTS = 4096;
const MOST_LOOSE_PINS = 500;

/** Whether fetches have left so much piecemeal that `tidy` pays. Two or three directory listings. */
export async function needsTidying(directory: string): Promise<boolean> {
  const count = async (folder: string) => (await readdir(join(directory, folder)).catch(() => [])).length;
  // A pack is two or three files; one of 256 folders stands for all loose objects.
  return (
    (await count('objects/pack')) > 2 * MOST_PACKS ||
    (await count('objects/17')) * 256 > MOST_LOOSE_OBJECTS ||
    (await count('refs/reprise/keep')) > MOST_LOOSE_PINS
  );
}

/**
 * Puts small packs, loose objects and loose refs together, and indexes the history. Removes nothing that could be
 * asked for: objects that no ref leads to are kept as well. Readers are not disturbed.
 */
export async function tidy(git: Git, log: Logger, signal: AbortSignal): Promise<void> {
  for (const args of [
    ['repack', '-d', '--geometric=2', '--quiet'],
    ['pack-refs', '--all'],
    ['commit-graph', 'write', '--reachable', '--split', '--no-progress'],
  ]) {
    const result = await git(args, { signal });
    if (result.code !== 0) {
      log.warn({ command: args[0], stderr: result.stderr.slice(0, 800) }, 'a mirror could not be tidied');
      return;
    }
  }
}

/**
 * Removes what a killed git leaves: lock files, half-received packs. Only for a mirror on which no git of this server
 * writes: before its first fetch, or while its queue is held.
 */
export async function clearLeftovers(directory: string): Promise<void> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of names) {
    const inObjects = entry.parentPath.startsWith(join(directory, 'objects'));
    const isLeft = entry.name.endsWith('.lock') || (inObjects && /^(\.?tmp[_-]|incoming-)/.test(entry.name));
    if (isLeft) await rm(join(entry.parentPath, entry.name), { recursive: true, force: true });
  }
}
