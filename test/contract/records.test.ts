import { isTaken } from '@reprise/server/db/dialect.ts';
import { newId } from '@reprise/server/db/id.ts';
import { type Databases, openDatabase } from '@reprise/server/db/open.ts';
import { beside, takeTurns } from '@reprise/server/db/turns.ts';
import { Secret } from '@reprise/server/secret.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PostgresServer } from '../rig/postgres.ts';
import { tempDir } from '../rig/temp.ts';

let postgres: PostgresServer;
const dir = tempDir();

beforeAll(async () => {
  postgres = await PostgresServer.start();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

/** A place for records, which can be opened more than once. */
const engines: [string, () => Promise<() => Promise<Databases>>][] = [
  [
    'SQLite',
    async () => {
      const file = dir.join(`${newId()}.db`);
      return () => openDatabase(file);
    },
  ],
  [
    'PostgreSQL',
    async () => {
      const url = new Secret(await postgres.freshDatabase());
      return () => openDatabase('', url);
    },
  ],
];

const user = (login: string) => ({
  id: newId(),
  login,
  name: login,
  disabled: 0,
  created_at: 1_795_000_000_000,
});

describe.each(engines)('records in %s', (engine, makePlace) => {
  test('what was recorded is there when it is opened again, number for number', async () => {
    const open = await makePlace();
    const first = await open();
    await first.db.insertInto('users').values(user('ada')).execute();
    await first.close();
    const second = await open();
    expect(await second.reader.selectFrom('users').selectAll().execute()).toMatchObject([
      { login: 'ada', disabled: 0, created_at: 1_795_000_000_000, password: null },
    ]);
    await second.close();
  });

  test.each(['ordinary', 'beside others, in the same turn'])(
    'of two transactions (%s) that read and then write, one goes after the other',
    async (kind) => {
      const open = await makePlace();
      const one = await open();
      // SQLite is for one server, whose transactions share a connection.
      const other = engine === 'SQLite' ? one : await open();
      await one.db.insertInto('users').values(user('counter')).execute();
      const count = ({ db }: Databases) =>
        (kind === 'ordinary' ? db.transaction() : beside(db)).execute(async (trx) => {
          if (kind !== 'ordinary') await takeTurns(trx, { build: 'the same' });
          const { name } = await trx.selectFrom('users').select('name').executeTakeFirstOrThrow();
          const next = String((Number(name) || 0) + 1);
          await trx.updateTable('users').set({ name: next }).execute();
        });
      await Promise.all(Array.from({ length: 40 }, (_, at) => count(at % 2 ? one : other)));
      expect(await one.db.selectFrom('users').select('name').execute()).toEqual([{ name: '40' }]);
      await one.close();
      if (other !== one) await other.close();
    },
  );

  test('a single change waits for a transaction that has begun', async () => {
    const open = await makePlace();
    const { db, close } = await open();
    await db.insertInto('users').values(user('ada')).execute();
    const order: string[] = [];
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const transaction = db.transaction().execute(async (trx) => {
      await trx.updateTable('users').set({ name: 'first' }).execute();
      begun.resolve();
      await go.promise;
      order.push('transaction');
    });
    await begun.promise;
    const change = db
      .updateTable('users')
      .set({ name: 'second' })
      .execute()
      .then(() => order.push('change'));
    go.resolve();
    await Promise.all([transaction, change]);
    expect(order).toEqual(['transaction', 'change']);
    expect(await db.selectFrom('users').select('name').execute()).toEqual([{ name: 'second' }]);
    await close();
  });

  test('a transaction that fails leaves nothing, and the next one goes on', async () => {
    const open = await makePlace();
    const { db, close } = await open();
    const failing = db.transaction().execute(async (trx) => {
      await trx.insertInto('users').values(user('ada')).execute();
      throw new Error('No.');
    });
    await expect(failing).rejects.toThrow('No.');
    await db.transaction().execute((trx) => trx.insertInto('users').values(user('bob')).execute());
    expect(await db.selectFrom('users').select('login').execute()).toEqual([{ login: 'bob' }]);
    await close();
  });

  test('a name that is taken is told from every other fault', async () => {
    const open = await makePlace();
    const { db, close } = await open();
    await db
      .insertInto('users')
      .values({ ...user('ada'), github: 'Ada' })
      .execute();
    const again = (values: object) =>
      db
        .insertInto('users')
        .values({ ...user('bob'), ...values })
        .execute()
        .then(
          () => null,
          (error: unknown) => error,
        );
    expect(isTaken(await again({ login: 'ada' }), 'users', 'login')).toBe(true);
    expect(isTaken(await again({ github: 'ADA' }), 'users', 'github')).toBe(true);
    expect(isTaken(await again({ github: 'ADA' }), 'users', 'login')).toBe(false);
    await close();
  });

  test('the reader reads and cannot write', async () => {
    const open = await makePlace();
    const { reader, close } = await open();
    expect(
      await reader
        .selectFrom('users')
        .select(({ fn }) => fn.countAll().as('count'))
        .execute(),
    ).toEqual([{ count: 0 }]);
    await expect(reader.insertInto('users').values(user('ada')).execute()).rejects.toThrow(/read-?only/);
    await close();
  });

  test('the audit can neither be changed nor shortened', async () => {
    const open = await makePlace();
    const { db, close } = await open();
    const entry = { actor: 'ada', via: '', action: 'x', subject: '', reason: '', detail: '{}' };
    await db
      .insertInto('audit')
      .values({ ...entry, seq: 1, at: 1, project: null, previous_hash: '', hash: 'a' })
      .execute();
    await expect(db.updateTable('audit').set({ actor: 'eve' }).execute()).rejects.toThrow('append-only');
    await expect(db.deleteFrom('audit').execute()).rejects.toThrow('append-only');
    await close();
  });

  test('texts are ordered by their bytes', async () => {
    const open = await makePlace();
    const { db, close } = await open();
    for (const login of ['b', 'ä', 'a', 'B', '_', '1'])
      await db.insertInto('users').values(user(login)).execute();
    const rows = await db.selectFrom('users').select('login').orderBy('login').execute();
    expect(rows.map(({ login }) => login)).toEqual(['1', 'B', '_', 'a', 'b', 'ä']);
    await close();
  });
});

test('transactions in PostgreSQL that bear each other run at once, and an ordinary one after all of them', async () => {
  const { db, close } = await openDatabase('', new Secret(await postgres.freshDatabase()));
  const inside = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const all = Promise.all(inside.map(({ promise }) => promise));
  const go = Promise.withResolvers<void>();
  const order: string[] = [];
  const bearing = inside.map(({ resolve }, at) =>
    beside(db).execute(async (trx) => {
      await takeTurns(trx, { build: `build ${at}`, runner: `runner ${at}` });
      resolve();
      await all;
      await go.promise;
      order.push('beside');
    }),
  );
  await all;
  const ordinary = db.transaction().execute(async () => order.push('alone'));
  go.resolve();
  await Promise.all([...bearing, ordinary]);
  expect(order).toEqual(['beside', 'beside', 'alone']);
  await close();
});

test('several servers may open a new PostgreSQL database at once', async () => {
  const url = new Secret(await postgres.emptyDatabase());
  const open = () => openDatabase('', url);
  const opened = await Promise.all([open(), open(), open()]);
  for (const { db } of opened) expect(await db.selectFrom('users').selectAll().execute()).toEqual([]);
  await Promise.all(opened.map(({ close }) => close()));
});
