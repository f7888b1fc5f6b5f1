import { randomBytes } from 'node:crypto';
import { freshDatabase } from './postgres.ts';

/** Where the servers of the tests have their records. */
export const ENGINE = process.env['TEST_POSTGRES'] === undefined ? 'sqlite' : 'postgres';

/** Databases by data directory: a server that goes on with one's data goes on with its database. */
const databases = new Map<string, string>();

/**
 * Settings of an installation on the engine that the tests are run on: SQLite, or with `TEST_ENGINE=postgres` a new database of the
 * PostgreSQL that was started for the whole run (`setup.ts`).
 */
export async function engineSettings(dataDir?: string): Promise<Record<string, string>> {
  const socket = process.env['TEST_POSTGRES'];
  if (socket === undefined) return {};
  const url =
    databases.get(dataDir ?? '') ?? (await freshDatabase(socket, `test_${randomBytes(8).toString('hex')}`));
  if (dataDir !== undefined) databases.set(dataDir, url);
  return { DATABASE_URL: url };
}
