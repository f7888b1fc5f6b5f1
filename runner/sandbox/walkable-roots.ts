import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The roots as a place shows them, the deepest first, so that the first which holds a path is the nearest. Where a root is closed
 * to others (a data directory of mode 0700 is), the directories in it take its place: what lies above a root does not
 * matter, since a place shows each under a path of its own.
 */
export function walkableRoots(roots: string[]): string[] {
  return [...new Set(roots.flatMap(openOrItsDirectories))].sort((a, b) => b.length - a.length);
}

function openOrItsDirectories(root: string): string[] {
  const status = statSync(root);
  if (!status.isDirectory() || (status.mode & 0o001) !== 0) return [root];
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(root, entry.name));
}
