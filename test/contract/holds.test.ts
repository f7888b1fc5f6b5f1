import { openDatabase } from '@reprise/server/db/open.ts';
import { type Holds, HoldsHere } from '@reprise/server/servers/holds.ts';
import { SharedHolds } from '@reprise/server/servers/shared-holds.ts';
import { describe, expect, test } from 'vitest';
import { tempDir } from '../rig/temp.ts';

const HOLD_MS = 60_000;

/** Two servers' holds; of an installation with one server, its holds twice. */
interface Opened extends AsyncDisposable {
  servers: [Holds, Holds];
  /** Lets time pass. */
  advance(ms: number): void;
}

const ENGINES: [string, () => Promise<Opened>][] = [
  [
    'in one process',
    async () => {
      const holds = new HoldsHere();
      return { servers: [holds, holds], advance() {}, async [Symbol.asyncDispose]() {} };
    },
  ],
  ['in the database', shared],
];

describe.each(ENGINES)('holds %s', (_name, open) => {
  test('what one is about, no other begins, until it is done', async () => {
    await using opened = await open();
    const [here, there] = opened.servers;
    const end = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const first = here.with('plan/a', () => {
      begun.resolve();
      return end.promise;
    });
    await begun.promise;
    expect(await there.with('plan/a', async () => expect.unreachable())).toBe(false);
    expect(await here.with('plan/a', async () => expect.unreachable())).toBe(false);
    expect(await there.with('plan/b', async () => {})).toBe(true);
    end.resolve();
    expect(await first).toBe(true);
    expect(await there.with('plan/a', async () => {})).toBe(true);
  });

  test('of many who want to begin at once one does', async () => {
    await using opened = await open();
    let about = 0;
    let most = 0;
    const begin = (holds: Holds) =>
      holds.with('clean-up', async () => {
        about += 1;
        most = Math.max(most, about);
        await new Promise((resolve) => setTimeout(resolve, 5));
        about -= 1;
      });
    const begun = await Promise.all(
      Array.from({ length: 20 }, (_, i) => begin(opened.servers[i % 2 ? 0 : 1])),
    );
    expect(begun.filter(Boolean)).toHaveLength(1);
    expect(most).toBe(1);
  });

  test('what failed can be begun again, and says what went wrong', async () => {
    await using opened = await open();
    const [here, there] = opened.servers;
    await expect(here.with('x', () => Promise.reject(new Error('broke')))).rejects.toThrow('broke');
    expect(await there.with('x', async () => {})).toBe(true);
  });
});

test('what a server was about when it died is begun by another once its hold is over', async () => {
  await using opened = await shared();
  const [dead, alive] = opened.servers;
  void dead.with('plan/a', () => new Promise(() => {}));
  await expect.poll(() => alive.with('plan/a', async () => {})).toBe(false);
  opened.advance(HOLD_MS + 1);
  expect(await alive.with('plan/a', async () => {})).toBe(true);
});

async function shared(): Promise<Opened> {
  const dir = tempDir();
  const { db, close } = await openDatabase(dir.join('reprise.db'));
  let ahead = 0;
  const o = { db, now: () => Date.now() + ahead, holdMs: HOLD_MS };
  return {
    servers: [new SharedHolds(o), new SharedHolds(o)],
    advance: (ms) => {
      ahead += ms;
    },
    async [Symbol.asyncDispose]() {
      await close();
      dir[Symbol.dispose]();
    },
  };
}
