import { join } from 'node:path';
import { isPostgres } from '@reprise/server/db/dialect.ts';
import { openDatabase } from '@reprise/server/db/open.ts';
import type { Database } from '@reprise/server/db/schema.ts';
import { Secret } from '@reprise/server/secret.ts';
import { type Kysely, sql } from 'kysely';
import { engineSettings } from './engine.ts';

/** The records of the installation on `dataDir`, on whichever engine it runs, or ran. */
export async function openRecords(dataDir: string): Promise<AsyncDisposable & { db: Kysely<Database> }> {
  const { DATABASE_URL } = await engineSettings(dataDir);
  const url = DATABASE_URL === undefined ? null : new Secret(DATABASE_URL);
  const { db, close } = await openDatabase(join(dataDir, 'reprise.db'), url);
  return { db, [Symbol.asyncDispose]: close };
}

/** Every table's rows, as a text to look for something in, wherever the records are. */
export async function allRecords(db: Kysely<Database>): Promise<string> {
  const tables = await db.introspection.getTables();
  const rows = await Promise.all(tables.map(({ name }) => sql`select * from ${sql.table(name)}`.execute(db)));
  return JSON.stringify(rows.map((result) => result.rows));
}

/** What only somebody does who gets at the database past Reprise: from then on the audit can be changed. */
export async function letAuditBeChanged(db: Kysely<Database>): Promise<void> {
  if (isPostgres(db)) return void (await sql`drop trigger audit_no_change on audit`.execute(db));
  for (const name of ['audit_no_update', 'audit_no_delete'])
    await sql`drop trigger ${sql.ref(name)}`.execute(db);
}
