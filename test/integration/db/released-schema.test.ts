import { readFileSync } from 'node:fs';
import { firstTables } from '@reprise/server/db/migrations/0001-first-tables.ts';
import { accountsAndAudit } from '@reprise/server/db/migrations/0002-accounts-and-audit.ts';
import { secrets } from '@reprise/server/db/migrations/0003-secrets.ts';
import { promotions } from '@reprise/server/db/migrations/0004-promotions.ts';
import SQLite from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { expect, test } from 'vitest';

/** What installations got that were made before there was a second engine. */
const RELEASED = readFileSync(new URL('released-schema.sql', import.meta.url), 'utf8');

test('the released migrations still make of SQLite what they made', async () => {
  const sqlite = new SQLite(':memory:');
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) });
  for (const { up } of [firstTables, accountsAndAudit, secrets, promotions]) await up(db);
  const made = sqlite
    .prepare<[], { sql: string }>('select sql from sqlite_master where sql is not null order by type, name')
    .all();
  expect(onOneLine(made.map(({ sql }) => `${sql};`).join(' '))).toBe(onOneLine(RELEASED));
  await db.destroy();
});

/** SQLite keeps statements as they were written, with every space. */
function onOneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}
