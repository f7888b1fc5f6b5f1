import type { Kysely } from 'kysely';
import type { Secret } from '../secret.ts';
import type { Database } from './schema.ts';
import { openSqlite } from './sqlite.ts';

/** The writer, and a second way for lists, which only reads, so that a long list never holds a write back. */
export interface Databases {
  db: Kysely<Database>;
  reader: Kysely<Database>;
  close(): Promise<void>;
}

/**
 * Opens (and makes, and migrates) the database: PostgreSQL at `url` where there is one, whose driver is loaded only then, else
 * SQLite in `file`. Throws a sentence where it cannot be used, or was written by a newer program.
 */
export async function openDatabase(file: string, url: Secret | null = null): Promise<Databases> {
  if (url === null) return openSqlite(file);
  const { openPostgres } = await import('./postgres.ts');
  return openPostgres(url);
}
