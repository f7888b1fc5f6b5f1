import { DatabaseAway } from '@reprise/server/db/away.ts';
import { newId } from '@reprise/server/db/id.ts';
import { type Databases, openDatabase } from '@reprise/server/db/open.ts';
import { Secret } from '@reprise/server/secret.ts';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PostgresServer } from '../../rig/postgres.ts';
import { startReprise } from '../../rig/process.ts';
import { ServerHere } from '../../rig/server-here.ts';
import { tempDir } from '../../rig/temp.ts';

let postgres: PostgresServer;

beforeAll(async () => {
  postgres = await PostgresServer.start();
});

afterAll(() => postgres[Symbol.asyncDispose]());

const USER = { name: 'Ada', disabled: 0, created_at: 1_795_000_000_000 };

/** Ends the connections of a database's servers, as a restart of the database or a firewall does. */
async function cutAll(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'the scissors' });
  await client.connect();
  await client.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'reprise' and datname = current_database()",
  );
  await client.end();
}

async function logins({ db }: Databases): Promise<string[]> {
  const rows = await db.selectFrom('users').select('login').orderBy('login').execute();
  return rows.map(({ login }) => login);
}

test('a transaction whose connection breaks leaves nothing, says so, and the next one has another', async () => {
  const url = await postgres.freshDatabase();
  const opened = await openDatabase('', new Secret(url));
  const { db } = opened;
  const broken = db.transaction().execute(async (trx) => {
    await trx
      .insertInto('users')
      .values({ ...USER, id: newId(), login: 'ada' })
      .execute();
    await cutAll(url);
    await trx
      .insertInto('users')
      .values({ ...USER, id: newId(), login: 'bob' })
      .execute();
  });
  await expect(broken).rejects.toThrow(DatabaseAway);
  await expect(broken).rejects.toThrow('Nothing was changed; try again.');
  await db
    .insertInto('users')
    .values({ ...USER, id: newId(), login: 'eve' })
    .execute();
  expect(await logins(opened)).toEqual(['eve']);
  await opened.close();
});

test('of a commit that is not answered nobody says that nothing was changed', async () => {
  const url = await postgres.freshDatabase();
  const { db, close } = await openDatabase('', new Secret(url));
  const broken = db.transaction().execute(async (trx) => {
    await trx
      .insertInto('users')
      .values({ ...USER, id: newId(), login: 'ada' })
      .execute();
    await cutAll(url);
  });
  await expect(broken).rejects.toThrow('Look whether it was done.');
  await close();
});

test('a transaction in which a statement failed is not taken for done', async () => {
  const { db, close } = await openDatabase('', new Secret(await postgres.freshDatabase()));
  const values = { ...USER, id: newId(), login: 'ada' };
  const shrugging = db.transaction().execute(async (trx) => {
    await trx.insertInto('users').values(values).execute();
    await trx
      .insertInto('users')
      .values(values)
      .execute()
      .catch(() => {});
  });
  await expect(shrugging).rejects.toThrow();
  expect(await db.selectFrom('users').selectAll().execute()).toEqual([]);
  await close();
});

test('a server works on while a newer one adds columns: what it asks fails once at most, to be tried again', async () => {
  const url = await postgres.freshDatabase();
  const { db, close } = await openDatabase('', new Secret(url));
  const ask = () => db.selectFrom('users').selectAll().where('login', '=', 'ada').execute();
  for (let times = 0; times < 8; times += 1) await ask();
  await sql`alter table users add column of_tomorrow text`.execute(db);
  await expect(ask()).rejects.toThrow(DatabaseAway);
  expect(await ask()).toEqual([]);
  await close();
});

test('a server whose PostgreSQL is away says so, refuses what it cannot do, and goes on by itself', async () => {
  await using own = await PostgresServer.start();
  const settings = { DATABASE_URL: await own.freshDatabase(), REPRISE_DRAIN_SECONDS: '0' };
  await using here = await ServerHere.start(settings);
  const shop = await here.project('shop', {
    '.reprise.yml': 'version: 1\njobs: {a: {steps: [run: "true"]}}\n',
  });
  const ready = async () => {
    const answer = await fetch(`${here.address}/readyz`);
    return { code: answer.status, ...((await answer.json()) as object) };
  };
  await expect.poll(ready).toMatchObject({ code: 200 });
  await own.crash();
  await expect.poll(ready).toMatchObject({ code: 503, away: ['database'] });
  const refused = await here.admin('GET', '/api/projects');
  expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  expect(refused.body.detail).toContain('try again');
  await own.startAgain();
  await expect.poll(ready).toMatchObject({ code: 200 });
  const build = await here.push(shop, shop.head);
  expect((await here.planned('shop', build)).jobs).toHaveLength(1);
});

test('reprise up does not start beside another server, and leaves its runners as they are', async () => {
  using dir = tempDir();
  const settings = { DATABASE_URL: await postgres.freshDatabase(), REPRISE_SECRET_KEY: 'ab'.repeat(32) };
  const env = { ...settings, REPRISE_TEST_TIME_SCALE: '10' };
  await using here = await ServerHere.start(env);
  await using up = startReprise(['up'], { ...env, REPRISE_DATA_DIR: dir.path, REPRISE_PORT: '0' });
  await up.line(/Another server \(.+\) works on this database.+start this one as reprise server/);
  const runners = await here.services.db.selectFrom('runners').select('name').execute();
  expect(runners).toEqual([]);
});

const socket = () => encodeURIComponent(postgres.socket);

test.each([
  ['where nothing listens', () => 'postgres://127.0.0.1:1/reprise', 'Is PostgreSQL running'],
  ['without a socket', () => 'postgres:///reprise?host=/nowhere', 'Is PostgreSQL running'],
  ['without the role', () => `postgres://nobody@/postgres?host=${socket()}`, 'role "nobody" does not exist'],
  [
    'without the database',
    () => `postgres://postgres@/missing?host=${socket()}`,
    `database "missing" does not exist. Make it with: create database … template template0 encoding 'UTF8' locale 'C'.`,
  ],
  [
    'of another order',
    () => sorted('by_language', "locale_provider icu icu_locale 'en' locale 'C'"),
    'The database by_language (encoding UTF8, collation ICU) does not order texts as Reprise does.',
  ],
  [
    'of another encoding',
    () => sorted('of_bytes', "encoding 'SQL_ASCII' locale 'C'"),
    'The database of_bytes (encoding SQL_ASCII, collation C) does not order texts as Reprise does.',
  ],
])('a database %s cannot be used, and why is said without its password', async (_, address, sentence) => {
  const url = await address();
  const error = await openDatabase('', new Secret(url)).catch((error: Error) => error);
  expect(error).toBeInstanceOf(Error);
  expect((error as Error).message).toContain(sentence);
});

async function sorted(name: string, settings: string): Promise<string> {
  const client = new pg.Client({ connectionString: `postgres://postgres@/postgres?host=${socket()}` });
  await client.connect();
  await client.query(`create database ${name} template template0 ${settings}`);
  await client.end();
  return `postgres://postgres@/${name}?host=${socket()}`;
}

test('a database that a newer Reprise has written is not touched', async () => {
  const url = new Secret(await postgres.freshDatabase());
  const { db, close } = await openDatabase('', url);
  await sql`insert into kysely_migration (name, timestamp) values ('9999-of-tomorrow', '2999-01-01T00:00:00.000Z')`.execute(
    db,
  );
  await close();
  await expect(openDatabase('', url)).rejects.toThrow('written by a newer Reprise');
});
