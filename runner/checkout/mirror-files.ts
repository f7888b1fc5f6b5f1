import { appendFileSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** How many commits are named to the server as known: enough for every branch that is being worked on. */
const RECENT_LIMIT = 32;

/** What `git init --bare` would make, without a template and without a process. */
export async function makeBare(mirror: string): Promise<void> {
  if (statSync(join(mirror, 'HEAD'), { throwIfNoEntry: false })) return;
  for (const part of ['objects/pack', 'objects/info', 'refs/heads', 'refs/tags'])
    await mkdir(join(mirror, part), { recursive: true });
  writeFileSync(join(mirror, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = true\n');
  writeFileSync(join(mirror, 'HEAD'), 'ref: refs/heads/main\n');
}

/** The object's name, or null. Refs are never packed here, so each is a file. */
export function readRef(mirror: string, ref: string): string | null {
  if (!isPlainRef(ref)) return null;
  try {
    return readFileSync(join(mirror, ref), 'latin1').trim();
  } catch {
    return null;
  }
}

/** Only under the mirror's lock: no git works on it meanwhile. */
export async function writeRef(mirror: string, ref: string, object: string): Promise<void> {
  if (!isPlainRef(ref)) throw new Error(`"${ref}" is no ref`);
  const path = join(mirror, ref);
  await mkdir(dirname(path), { recursive: true });
  // Not beside it: half a file there would be a broken ref to git.
  const half = join(mirror, 'ref.new');
  writeFileSync(half, `${object}\n`);
  renameSync(half, path);
}

function isPlainRef(ref: string): boolean {
  return /^refs\/[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(ref) && !ref.includes('..') && !ref.endsWith('.lock');
}

/** Commits that came in last. */
export function recentCommits(mirror: string): string[] {
  try {
    const lines = readFileSync(join(mirror, 'recent'), 'latin1').split('\n');
    return [...new Set(lines.filter((line) => /^[0-9a-f]{40}$/.test(line)).slice(-RECENT_LIMIT))];
  } catch {
    return [];
  }
}

export function addRecentCommit(mirror: string, commit: string): void {
  const path = join(mirror, 'recent');
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > 41 * RECENT_LIMIT * 8) writeFileSync(path, `${recentCommits(mirror).join('\n')}\n`);
  appendFileSync(path, `${commit}\n`);
}

/** The time of last use is that of HEAD, which nothing else changes. */
export function touch(mirror: string): void {
  const now = new Date();
  utimesSync(join(mirror, 'HEAD'), now, now);
}

export function lastUse(mirror: string): number {
  return statSync(join(mirror, 'HEAD'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
