import SQLite from 'better-sqlite3';
import { Kysely, SqliteDialect, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/** All pages in one step: a copy made in steps begins anew whenever somebody writes in between. */
const EVERY_PAGE = 0x7fff_ffff;

/**
 * Copies a SQLite database to a new file as it is at one moment, while others read and write it (SQLite's online backup).
 * The copy is one file, without a log beside it.
 */
export async function copyDatabase(from: string, to: string): Promise<void> {
  const source = new SQLite(from, { readonly: true, fileMustExist: true, timeout: 5000 });
  try {
    await source.backup(to, { progress: () => EVERY_PAGE });
  } finally {
    source.close();
  }
  const copy = new SQLite(to, { fileMustExist: true });
  copy.pragma('journal_mode = DELETE');
  copy.close();
}

/** A database file to look at: nothing in it is changed, nothing migrated. Close it with `destroy`. */
export function openToRead(file: string): Kysely<Database> {
  const database = new SQLite(file, { readonly: true, fileMustExist: true, timeout: 5000 });
  return new Kysely<Database>({ dialect: new SqliteDialect({ database }) });
}

/** What SQLite finds wrong with the file or with references between rows, as sentences; none: it is sound. */
export async function problemsOfDatabase(db: Kysely<Database>): Promise<string[]> {
  const { rows: damage } = await sql<{ integrity_check: string }>`pragma integrity_check(20)`.execute(db);
  const found = damage.map((row) => row.integrity_check).filter((line) => line !== 'ok');
  const { rows: dangling } = await sql<{ table: string; parent: string }>`pragma foreign_key_check`.execute(
    db,
  );
  return [
    ...found.map((line) => `The database is damaged: ${line}`),
    ...dangling
      .slice(0, 20)
      .map(({ table, parent }) => `A row of ${table} refers to a row of ${parent} that is not there.`),
  ];
}

/** Names of the migrations a database has had. */
export async function migrationsOf(db: Kysely<Database>): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  return rows.map(({ name }) => name);
}
