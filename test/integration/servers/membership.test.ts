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
  expect(await first.join(database.vault('a'), [])).toEqual({ isFirst: true });
  const second = database.server('b');
  expect(await second.join(database.vault('b'), [])).toEqual({ isFirst: false });
  // Killed and back at once, while the other works on.
  expect(await database.server('a').join(database.vault('a'), [])).toEqual({ isFirst: false });
  await second.leave();
  expect(await database.server('a').join(database.vault('a'), [])).toEqual({ isFirst: true });
});

test('a server that was not heard of for two beats is not there', async () => {
  await using database = await open();
  await database.db
    .insertInto('servers')
    .values({ id: 'dead', host: 'box-9', started_at: 0, seen_at: Date.now() - 2 * BEAT_MS })
    .execute();
  expect(await database.server('a').join(database.vault('a'), [])).toEqual({ isFirst: true });
});

test('a server with another secret key does not join, and says what to do', async () => {
  await using database = await open();
  await database.server('a').join(database.vault('a'), []);
  const other = Vault.open(database.path('b'), null);
  await expect(database.server('b').join(other, [])).rejects.toThrow(
    'Set the same REPRISE_SECRET_KEY for every server',
  );
});

test('a second server without what several need does not join; alone it does, also just after another was killed', async () => {
  await using database = await open();
  const first = database.server('a');
  await first.join(database.vault('a'), ['STORAGE_URL']);
  const second = database.server('b');
  await expect(second.join(database.vault('b'), ['REDIS_URL', 'STORAGE_URL'])).rejects.toThrow(
    /Another server \(.+\) works on this database, and several need REDIS_URL and STORAGE_URL/,
  );
  const joining = second.join(database.vault('b'), ['REDIS_URL']);
  database.kill(first);
  expect(await joining).toEqual({ isFirst: true });
});

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
