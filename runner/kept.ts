import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The line that a file holds; where it holds none that matches, what `make` returns, which is durable in the file (mode 0600), whole or not
 * at all, before it is returned.
 */
export function kept(file: string, pattern: RegExp, make: () => string): string {
  const held = read(file)?.trim();
  if (held !== undefined && pattern.test(held)) return held;
  const made = make();
  const fresh = `${file}.new`;
  const out = openSync(fresh, 'w', 0o600);
  try {
    writeSync(out, `${made}\n`);
    fsyncSync(out);
  } finally {
    closeSync(out);
  }
  renameSync(fresh, file);
  syncDirectory(dirname(file));
  return made;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
