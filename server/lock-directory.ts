import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import SQLite from 'better-sqlite3';

/**
 * Makes sure that one server works on a data directory: holds a lock that the kernel takes back when the process ends,
 * however it ends. Throws a sentence when another server holds it.
 */
export function lockDirectory(dataDir: string): { release(): void } {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = new SQLite(join(dataDir, 'server.lock'));
  try {
    lock.pragma('busy_timeout = 0');
    lock.exec('begin exclusive');
  } catch (cause) {
    lock.close();
    if ((cause as { code?: string }).code !== 'SQLITE_BUSY') throw cause;
    throw new Error(
      `Another Reprise server is running on ${dataDir}. Stop it, or give this one its own REPRISE_DATA_DIR.`,
      {
        cause,
      },
    );
  }
  return { release: () => void lock.close() };
}
