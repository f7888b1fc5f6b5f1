import { openDatabase } from '@reprise/server/db/open.ts';
import { Membership } from '@reprise/server/servers/membership.ts';
import { Vault } from '@reprise/server/vault.ts';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';

const BEAT_MS = 50;
const KEY = { reveal: () => 'ab'.repeat(32) };

test('the first server renews every lease, one that comes while another is there does not', async () => {
  await using database = await open();
  const first = database.server('a');
  expect(await first.join(newcomer(database.vault('a')))).toEqual({ isFirst: true });
  const second = database.server('b');
  expect(await second.join(newcomer(database.vault('b')))).toEqual({ isFirst: false });
  // Killed and back at once, while the other works on.
  expect(await database.server('a').join(newcomer(database.vault('a')))).toEqual({ isFirst: false });
  await second.leave();
  expect(await database.server('a').join(newcomer(database.vault('a')))).toEqual({ isFirst: true });
});

test('a server that was not heard of for two beats is not there', async () => {
  await using database = await open();
  await database.db
    .insertInto('servers')
    .values({ id: 'dead', host: 'box-9', started_at: 0, seen_at: Date.now() - 2 * BEAT_MS })
    .execute();
  expect(await database.server('a').join(newcomer(database.vault('a')))).toEqual({ isFirst: true });
});

test('a server with another secret key does not join, and says what to do', async () => {
  await using database = await open();
  await database.server('a').join(newcomer(database.vault('a')));
  const other = Vault.open(database.path('b'), null);
  await expect(database.server('b').join(newcomer(other))).rejects.toThrow(
    'Set the same REPRISE_SECRET_KEY for every server',
  );
});

test('a second server without what several need does not join; alone it does, also just after another was killed', async () => {
  await using database = await open();
  const first = database.server('a');
  await first.join(newcomer(database.vault('a'), { STORAGE_URL: null }));
  const second = database.server('b');
  await expect(
    second.join(newcomer(database.vault('b'), { REDIS_URL: null, STORAGE_URL: null })),
  ).rejects.toThrow(
    /Another server \(.+\) works on this database, and several need the same REDIS_URL and STORAGE_URL/,
  );
  const joining = second.join(newcomer(database.vault('b'), { REDIS_URL: null }));
  database.kill(first);
  expect(await joining).toEqual({ isFirst: true });
});

test('a server joins only those that share what it has, whoever came first', async () => {
  await using database = await open();
  const vault = database.vault('a');
  const first = database.server('a');
  await first.join(newcomer(vault, { REDIS_URL: null, STORAGE_URL: null }));
  const second = database.server('b');
  await expect(second.join(newcomer(vault))).rejects.toThrow(
    /several need the same REDIS_URL and STORAGE_URL: set the same for each of them, or stop the other one/,
  );
  // Started again with all that several need, it is joined by who has the same, and by nobody else.
  first.stop();
  await database.server('a').join(newcomer(vault));
  await expect(second.join(newcomer(vault, { STORAGE_URL: 'another bucket' }))).rejects.toThrow(
    /several need the same STORAGE_URL:/,
  );
  expect(await second.join(newcomer(vault))).toEqual({ isFirst: false });
  const said = await database.db.selectFrom('servers').select('engines').execute();
  expect(said).toHaveLength(2);
  expect(JSON.stringify(said)).not.toContain(SHARED.STORAGE_URL);
});

test('of two servers that come at once with different engines, one works', async () => {
  await using database = await open();
  const vault = database.vault('a');
  const came = await Promise.allSettled([
    database.server('a').join(newcomer(vault)),
    database.server('b').join(newcomer(vault, { REDIS_URL: 'another Redis' })),
  ]);
  expect(came.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

test('a server with an embedded runner does not join others; alone it works, also after others', async () => {
  await using database = await open();
  const vault = database.vault('a');
  const first = database.server('a');
  await first.join(newcomer(vault));
  const second = database.server('b');
  const withRunner = { ...newcomer(vault), withRunner: true };
  await expect(second.join(withRunner)).rejects.toThrow(/start this one as reprise server/);
  await first.leave();
  expect(await second.join(withRunner)).toEqual({ isFirst: true });
  expect(await second.join(withRunner)).toEqual({ isFirst: true });
});

test('a server of an early version, which does not say what it has, is joined', async () => {
  await using database = await open();
  await database.db
    .insertInto('servers')
    .values({ id: 'early', host: 'box-9', started_at: 0, seen_at: Date.now() + 60_000 })
    .execute();
  expect(await database.server('a').join(newcomer(database.vault('a')))).toEqual({ isFirst: false });
});

const SHARED = { REDIS_URL: 'the Redis of all', STORAGE_URL: 'the bucket of all' };

/** Who joins with all that several need, unless told. */
function newcomer(vault: Vault, engines: Partial<Record<keyof typeof SHARED, string | null>> = {}) {
  return { vault, engines: { ...SHARED, ...engines }, withRunner: false };
}

/** A database and any number of servers on it, each with a data directory of its own. */
async function open() {
  const dir = tempDir();
  const { db, close } = await openDatabase(dir.join('reprise.db'));
  const joined: Membership[] = [];
  return {
    db,
    path: (name: string) => dir.join(name),
    vault: (name: string) => Vault.open(dir.join(name), KEY),
    server(name: string): Membership {
      Vault.open(dir.join(name), null);
      const o = {
        db,
        log: pino({ level: 'silent' }),
        now: Date.now,
        dataDir: dir.join(name),
        beatMs: BEAT_MS,
      };
      const server = new Membership(o);
      joined.push(server);
      return server;
    },
    /** It says nothing any more. */
    kill: (server: Membership) => server.stop(),
    async [Symbol.asyncDispose]() {
      for (const server of joined) await server.leave();
      await close();
      dir[Symbol.dispose]();
    },
  };
}
