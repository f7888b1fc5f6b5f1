import { createHash, randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { openDatabase } from '@reprise/server/db/open.ts';
import { DirectoryLogs } from '@reprise/server/logs/directory-logs.ts';
import type { LogStore } from '@reprise/server/logs/log.store.ts';
import { SharedLogs } from '@reprise/server/logs/shared-logs.ts';
import { storeLog } from '@reprise/server/logs/store-finished.ts';
import { DirectoryStore } from '@reprise/server/storage/directory.ts';
import type { ObjectStore } from '@reprise/server/storage/objects.ts';
import { connectS3, S3Store } from '@reprise/server/storage/s3.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type S3Server, settingsOf, startS3 } from '../rig/s3.ts';
import { tempDir } from '../rig/temp.ts';

const ATTEMPT = 'attempt0000000000000001a';
const quiet = pino({ level: 'silent' });

let s3: S3Server;
let buckets = 0;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3[Symbol.asyncDispose]());

/** Logs as one server has them, and as another server of the same installation. */
interface Place extends AsyncDisposable {
  logs: LogStore;
  other: LogStore;
  /** Brings the log to where it stays once its attempt has ended. */
  finish(): Promise<void>;
}

describe.each<[string, () => Promise<Place>]>([
  ['a directory', directoryPlace],
  ['the database and a directory', () => sharedPlace(directoryObjects())],
  ['the database and S3-compatible storage', async () => sharedPlace(await s3Objects())],
])('logs in %s', (_name, openPlace) => {
  test('bytes are held as they were written, whatever they are', async () => {
    await using place = await openPlace();
    const { logs } = place;
    const bytes = randomBytes(300_000);
    expect(await logs.size(ATTEMPT)).toBe(0);
    await logs.append(ATTEMPT, 0, bytes.subarray(0, 100_001), 1);
    expect(await logs.append(ATTEMPT, 100_001, bytes.subarray(100_001), 2)).toEqual({ size: 300_000 });
    for (const finish of [async () => {}, place.finish]) {
      await finish();
      expect(await logs.size(ATTEMPT)).toBe(300_000);
      expect((await read(logs)).equals(bytes)).toBe(true);
      expect((await read(logs, 99_990, 165_600)).equals(bytes.subarray(99_990, 165_600))).toBe(true);
      expect((await read(logs, 299_999, 400_000)).equals(bytes.subarray(299_999))).toBe(true);
      expect(await read(logs, 300_000, 400_000)).toHaveLength(0);
      expect(await logs.seal(ATTEMPT)).toEqual({ size: 300_000, sha256: digest(bytes) });
    }
  });

  test('a repeat changes nothing, of an overlap only what is new is added, and a gap adds nothing', async () => {
    await using place = await openPlace();
    const { logs } = place;
    const text = (part: string) => Buffer.from(part);
    expect(await logs.append(ATTEMPT, 5, text('world'), 1)).toEqual({ gapAt: 0 });
    expect(await logs.append(ATTEMPT, 0, text('hello '), 1)).toEqual({ size: 6 });
    expect(await logs.append(ATTEMPT, 0, text('hello '), 1)).toEqual({ size: 6 });
    expect(await logs.append(ATTEMPT, 2, text('llo'), 1)).toEqual({ size: 6 });
    expect(await logs.append(ATTEMPT, 7, text('orld'), 1)).toEqual({ gapAt: 6 });
    expect(await logs.append(ATTEMPT, 3, text('lo world'), 1)).toEqual({ size: 11 });
    expect(await logs.append(ATTEMPT, 11, Buffer.alloc(0), 1)).toEqual({ size: 11 });
    expect(String(await read(logs))).toBe('hello world');
    await place.finish();
    expect(await logs.append(ATTEMPT, 0, text('hello world'), 1)).toEqual({ size: 11 });
    expect(String(await read(logs))).toBe('hello world');
  });

  test('what is sent at once, several times, in part and over two servers, is held once', async () => {
    await using place = await openPlace();
    const bytes = randomBytes(40_000);
    const parts = Array.from({ length: 40 }, (_, n) => n * 1000);
    for (const stores of [[place.logs], [place.logs, place.other]].slice(
      0,
      place.logs === place.other ? 1 : 2,
    )) {
      await Promise.all(
        parts.flatMap((start) =>
          [...stores, ...stores].map(async (logs) => {
            for (let asked: object = { gapAt: 0 }; 'gapAt' in asked; await setImmediate())
              asked = await logs.append(ATTEMPT, start, bytes.subarray(start, start + 1000), 1);
          }),
        ),
      );
    }
    expect((await read(place.other)).equals(bytes)).toBe(true);
    expect(await place.other.seal(ATTEMPT)).toEqual({ size: 40_000, sha256: digest(bytes) });
  });

  test('20 MB sent with cuts and repeats arrive whole, on another server, too', async () => {
    await using place = await openPlace();
    const bytes = Buffer.from(`${'0123456789abcdef '.repeat(6)}\n`.repeat(194_175));
    let random = 7;
    for (let at = 0; at < bytes.length; ) {
      random = (random * 48_271) % 2_147_483_647;
      // A connection cut: the runner does not know how much arrived and sends from somewhat before.
      const from = Math.max(0, at - (random % 3 === 0 ? random % 50_000 : 0));
      const answer = await place.logs.append(ATTEMPT, from, bytes.subarray(from, from + 200_000), at);
      at = 'size' in answer ? answer.size : answer.gapAt;
    }
    expect(bytes.length).toBeGreaterThan(19_900_000);
    const sealed = { size: bytes.length, sha256: digest(bytes) };
    expect(await place.other.seal(ATTEMPT)).toEqual(sealed);
    expect(await place.other.seal(ATTEMPT)).toEqual(sealed);
    await expectLines(place.other, 194_175);
    await place.finish();
    expect(await place.other.seal(ATTEMPT)).toEqual(sealed);
    expect(digest(await read(place.other))).toBe(sealed.sha256);
    await expectLines(place.other, 194_175);
  });

  test('lines have numbers, places and the time they came, while it runs and afterwards', async () => {
    await using place = await openPlace();
    const { logs } = place;
    await append(logs, [
      ['one\ntw', 10],
      ['o\n\nfo', 20],
      ['ur', 30],
    ]);
    for (const finish of [async () => {}, place.finish]) {
      await finish();
      expect(await logs.lines(ATTEMPT, { from: 1, count: 10 })).toEqual({
        lines: [
          { number: 1, offset: 0, length: 3, at: 10, text: 'one' },
          { number: 2, offset: 4, length: 3, at: 10, text: 'two' },
          { number: 3, offset: 8, length: 0, at: 20, text: '' },
          { number: 4, offset: 9, length: 4, at: 20, text: 'four' },
        ],
        total: 4,
      });
      expect((await logs.lines(ATTEMPT, { from: -2, count: 9 })).lines.map(({ number }) => number)).toEqual([
        3, 4,
      ]);
      expect((await logs.lines(ATTEMPT, { from: 5, count: 9 })).lines).toEqual([]);
      expect(await logs.lineAt(ATTEMPT, 8)).toBe(3);
      expect(await logs.lineAt(ATTEMPT, 99)).toBe(4);
      expect(await logs.search(ATTEMPT, 'O', 9)).toEqual([
        { line: 1, offset: 0, text: 'one' },
        { line: 2, offset: 4, text: 'two' },
        { line: 4, offset: 9, text: 'four' },
      ]);
    }
  });

  test('a line of megabytes is cut for the screen, and others are found beside it', async () => {
    await using place = await openPlace();
    const { logs } = place;
    const long = 'x€'.repeat(1_500_000);
    await append(logs, [[`before\n${long}\nafter needle\n`, 1]]);
    for (const finish of [async () => {}, place.finish]) {
      await finish();
      const { lines, total } = await logs.lines(ATTEMPT, { from: 1, count: 5 });
      expect(total).toBe(3);
      expect(lines.map(({ length }) => length)).toEqual([6, 6_000_000, 12]);
      expect(lines[1]?.text).toBe(long.slice(0, lines[1]?.text.length));
      expect(lines[1]?.text.length).toBeLessThan(20_000);
      expect(await logs.lineAt(ATTEMPT, 3_000_000)).toBe(2);
      expect(await logs.search(ATTEMPT, 'needle', 9)).toMatchObject([{ line: 3, offset: 6_000_008 }]);
    }
  });

  test('a log that was reset is written again from its beginning', async () => {
    await using place = await openPlace();
    const { logs } = place;
    await append(logs, [['wrong\nwrong\n', 1]]);
    await logs.reset(ATTEMPT);
    expect(await logs.size(ATTEMPT)).toBe(0);
    expect(await place.other.lines(ATTEMPT, { from: 1, count: 9 })).toEqual({ lines: [], total: 0 });
    expect(await logs.append(ATTEMPT, 3, Buffer.from('x'), 2)).toEqual({ gapAt: 0 });
    await append(logs, [['right\n', 2]]);
    expect(await logs.seal(ATTEMPT)).toEqual({ size: 6, sha256: digest(Buffer.from('right\n')) });
    expect(await logs.lines(ATTEMPT, { from: 1, count: 9 })).toMatchObject({
      lines: [{ text: 'right', at: 2 }],
      total: 1,
    });
  });

  test('an empty log has the digest of nothing, and a removed one is gone', async () => {
    await using place = await openPlace();
    const { logs } = place;
    const nothing = { size: 0, sha256: digest(Buffer.alloc(0)) };
    expect(await logs.seal(ATTEMPT)).toEqual(nothing);
    for (const finish of [async () => {}, place.finish]) {
      await append(logs, [['x\n', 1]]);
      await finish();
      await logs.remove(ATTEMPT);
      expect(await logs.size(ATTEMPT)).toBe(0);
      expect(await logs.lines(ATTEMPT, { from: 1, count: 1 })).toEqual({ lines: [], total: 0 });
      expect(await logs.seal(ATTEMPT)).toEqual(nothing);
    }
  });

  test('one server appends while another reads on from where it was, until the log is finished', async () => {
    await using place = await openPlace();
    const bytes = randomBytes(400_000);
    const writing = (async () => {
      for (let at = 0; at < bytes.length; at += 20_000)
        await place.logs.append(ATTEMPT, at, bytes.subarray(at, at + 20_000), 1);
      await place.finish();
    })();
    const got = Buffer.alloc(bytes.length);
    for (let at = 0; at < bytes.length; ) {
      at += await place.other.readInto(ATTEMPT, got.subarray(at, at + 30_000), at);
      await setImmediate();
    }
    await writing;
    expect(got.equals(bytes)).toBe(true);
  });

  test('a reader reads on while a log is moved under its hands, by two servers at once', async () => {
    await using place = await openPlace();
    const bytes = randomBytes(3_000_000);
    await place.logs.append(ATTEMPT, 0, bytes, 1);
    const got: Buffer[] = [];
    for await (const piece of place.other.read(ATTEMPT, { start: 0, end: bytes.length })) {
      if (got.length === 1) await Promise.all([place.finish(), place.finish()]);
      got.push(piece);
    }
    expect(Buffer.concat(got).equals(bytes)).toBe(true);
    expect((await read(place.logs)).equals(bytes)).toBe(true);
  });

  test('who listens hears of every growth until he stops, and what another server says', async () => {
    await using place = await openPlace();
    const { logs } = place;
    const heard: unknown[] = [];
    const stop = logs.onGrew((...grown) => heard.push(grown));
    await append(logs, [['ab', 1]]);
    await logs.append(ATTEMPT, 0, Buffer.from('ab'), 1);
    logs.grewElsewhere(ATTEMPT, 9);
    await logs.reset(ATTEMPT);
    stop();
    await append(logs, [['d', 1]]);
    expect(heard).toEqual([
      [ATTEMPT, 2, 'here'],
      [ATTEMPT, 9, 'elsewhere'],
      [ATTEMPT, 0, 'here'],
    ]);
  });

  test('an id that is no id names nothing', async () => {
    await using place = await openPlace();
    for (const id of ['../../../etc/passwd', 'a/b', '', 'ATTEMPT00', 'short']) {
      await expect(place.logs.append(id, 0, Buffer.from('x'), 1)).rejects.toThrow(
        'is not the id of an attempt',
      );
      await expect(place.logs.size(id)).rejects.toThrow('is not the id of an attempt');
    }
  });
});

async function directoryPlace(): Promise<Place> {
  const dir = tempDir();
  const logs = new DirectoryLogs({ dir: dir.path });
  return {
    logs,
    other: logs,
    finish: async () => void (await logs.seal(ATTEMPT)),
    async [Symbol.asyncDispose]() {
      await logs.close();
      dir[Symbol.dispose]();
    },
  };
}

/** Where finished logs go, and how that ends. */
type Objects = { objects: ObjectStore } & AsyncDisposable;

function directoryObjects(): Objects {
  const dir = tempDir();
  const objects = new DirectoryStore({ dir: dir.path });
  return { objects, [Symbol.asyncDispose]: async () => dir[Symbol.dispose]() };
}

async function s3Objects(): Promise<Objects> {
  buckets += 1;
  const settings = settingsOf(await s3.bucket(`logs-${buckets}`));
  const client = await connectS3(settings);
  const objects = new S3Store(client, settings, 'logs');
  return {
    objects,
    async [Symbol.asyncDispose]() {
      await objects.close();
      client.destroy();
    },
  };
}

async function sharedPlace(end: Objects): Promise<Place> {
  const { objects } = end;
  const dir = tempDir();
  const database = await openDatabase(dir.join('reprise.db'));
  const open = () => new SharedLogs({ ...database, objects, log: quiet, now: Date.now });
  const [logs, other] = [open(), open()];
  return {
    logs,
    other,
    finish: () => storeLog({ db: database.db, objects }, ATTEMPT),
    async [Symbol.asyncDispose]() {
      await Promise.all([logs.close(), other.close()]);
      await end[Symbol.asyncDispose]();
      await database.close();
      dir[Symbol.dispose]();
    },
  };
}

async function append(logs: LogStore, parts: [text: string, at: number][]): Promise<void> {
  for (const [text, at] of parts) await logs.append(ATTEMPT, await logs.size(ATTEMPT), Buffer.from(text), at);
}

/** The lines of the test of 20 MB, wherever they are asked for. */
async function expectLines(logs: LogStore, count: number): Promise<void> {
  for (const number of [1, 2, 70_000, count]) {
    const { lines, total } = await logs.lines(ATTEMPT, { from: number, count: 1 });
    expect(total).toBe(count);
    expect(lines[0]).toMatchObject({ number, offset: (number - 1) * 103, length: 102 });
    // The time given was the offset the bytes came at.
    expect(lines[0]?.at).toBeLessThanOrEqual((number - 1) * 103);
    expect(await logs.lineAt(ATTEMPT, (number - 1) * 103 + 50)).toBe(number);
  }
}

async function read(logs: LogStore, start = 0, end = Number.MAX_SAFE_INTEGER): Promise<Buffer> {
  return Buffer.concat(await logs.read(ATTEMPT, { start, end }).toArray());
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
