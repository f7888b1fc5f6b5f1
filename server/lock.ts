import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import SQLite from 'better-sqlite3';

/** A lock that is held until it is released, or until its process ends. */
export interface Lock {
  release(): void;
}

/**
 * Makes sure that one server works on a data directory. Throws a sentence when another server holds it.
 */
export function lockDirectory(dataDir: string): Lock {
  const lock = takeLock(join(dataDir, 'server.lock'), { waitMs: 0 });
  if (lock) return lock;
  throw new Error(
    `Another Reprise server is running on ${dataDir}. Stop it, or give this one its own REPRISE_DATA_DIR.`,
  );
}

/**
 * While it is held, nothing that records lead to is removed from the storage of this data directory: whoever copies a
 * database first and then what it names holds it. null: somebody else does.
 */
export function lockRemovals(dataDir: string, o: { waitMs: number }): Lock | null {
  return takeLock(join(dataDir, 'removals.lock'), o);
}

/**
 * Takes the lock whose file is `path`, waiting (and blocking this process) for at most `waitMs` milliseconds; null: somebody else has it.
 * It is SQLite's lock on a file of its own, which the kernel takes back when its process ends, however it ends.
 */
export function takeLock(path: string, { waitMs }: { waitMs: number }): Lock | null {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = new SQLite(path, { timeout: waitMs });
  try {
    file.exec('begin exclusive');
    return { release: () => void file.close() };
  } catch (error) {
    file.close();
    if ((error as { code?: string }).code === 'SQLITE_BUSY') return null;
    throw error;
  }
}
