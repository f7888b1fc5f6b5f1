import { once } from 'node:events';
import { join } from 'node:path';
import { firstTables } from '@reprise/server/db/migrations/0001-first-tables.ts';
import { accountsAndAudit } from '@reprise/server/db/migrations/0002-accounts-and-audit.ts';
import { secrets } from '@reprise/server/db/migrations/0003-secrets.ts';
import { promotions } from '@reprise/server/db/migrations/0004-promotions.ts';
import { openSqlite } from '@reprise/server/db/sqlite.ts';
import SQLite from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import { expect, test } from 'vitest';
import { startReprise } from '../../rig/process.ts';
import { tempDir } from '../../rig/temp.ts';

/** An early version's. */
const RELEASED = {
  '0001-first-tables': firstTables,
  '0002-accounts-and-audit': accountsAndAudit,
  '0003-secrets': secrets,
  '0004-promotions': promotions,
};

test('a first start that dies again and again in the middle of making its database can be made again', async () => {
  using dir = tempDir();
  await dieAt(dir.path, ['migration:9', 'migration:30', 'migration:70', 'migration:100']);
  await dieAt(dir.path, ['commit:1']);
  await startAndStop(dir.path);
  expect(schemaOf(dir.path)).toEqual(await undisturbed());
});

test('an upgrade that dies again and again leaves the records as they were, and can be made again', async () => {
  using dir = tempDir();
  await makeReleased(dir.path);
  const before = schemaOf(dir.path);
  await dieAt(dir.path, ['migration:20', 'migration:40', 'migration:60', 'commit:1']);
  expect(schemaOf(dir.path)).toEqual(before);
  await dieAt(dir.path, ['committed:1']);
  await startAndStop(dir.path);
  expect(schemaOf(dir.path)).toEqual(await undisturbed());
  using sqlite = open(dir.path);
  expect(sqlite.db.prepare('select name from projects').pluck().all()).toEqual(['shop']);
  expect(sqlite.db.pragma('foreign_key_check')).toEqual([]);
});

/** Starts a server for each of these points, which dies there. */
async function dieAt(dataDir: string, points: readonly string[]): Promise<void> {
  for (const REPRISE_TEST_CRASH_AT of points) {
    await using server = start(dataDir, { REPRISE_TEST_CRASH_AT });
    const { child } = server;
    if (child.exitCode === null && child.signalCode === null)
      await Promise.race([once(child, 'close'), server.line(/^Reprise listening on /)]).catch(() => {});
    expect(child.signalCode, `${REPRISE_TEST_CRASH_AT}: ${server.output()}`).toBe('SIGKILL');
  }
}

async function startAndStop(dataDir: string): Promise<void> {
  await using server = start(dataDir);
  await server.line(/^Reprise listening on /);
}

function start(dataDir: string, env: Record<string, string> = {}) {
  return startReprise(['server'], { REPRISE_DATA_DIR: dataDir, REPRISE_PORT: '0', ...env });
}

/** An early version's database with a project. */
async function makeReleased(dataDir: string): Promise<void> {
  const database = new SQLite(join(dataDir, 'reprise.db'));
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) });
  const { error } = await new Migrator({
    db,
    provider: { getMigrations: async () => RELEASED },
  }).migrateToLatest();
  expect(error).toBeUndefined();
  database.exec(`insert into projects (id, name, clone_url, webhook_secret, credential_kind, last_build_number, created_at)
    values ('1', 'shop', 'file:///shop', '', 'none', 0, 0)`);
  await db.destroy();
}

/** The schema and the migrations of a database that was made at one go. */
async function undisturbed() {
  using dir = tempDir();
  await (await openSqlite(dir.join('reprise.db'))).close();
  return schemaOf(dir.path);
}

function schemaOf(dataDir: string) {
  using sqlite = open(dataDir);
  return {
    schema: sqlite.db.prepare('select type, name, sql from sqlite_master order by type, name').all(),
    migrations: sqlite.db.prepare('select name from kysely_migration order by name').pluck().all(),
  };
}

function open(dataDir: string) {
  const db = new SQLite(join(dataDir, 'reprise.db'));
  return { db, [Symbol.dispose]: () => void db.close() };
}
