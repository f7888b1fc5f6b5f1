import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { Refusal } from '@reprise/server/http/refusal.ts';
import { DirectoryLogs } from '@reprise/server/logs/directory-logs.ts';
import { describe, expect, test } from 'vitest';
import { smallDisk } from '../../rig/small-disk.ts';
import { tempDir } from '../../rig/temp.ts';

const ATTEMPT = 'attempt0000000000000001a';

describe('appending', () => {
  test('bytes are held as they were written', async () => {
    await using store = openStore();
    const bytes = randomBytes(300_000);
    await store.append(ATTEMPT, 0, bytes.subarray(0, 100_001), 1);
    expect(await store.append(ATTEMPT, 100_001, bytes.subarray(100_001), 2)).toEqual({ size: 300_000 });
    expect((await read(store)).equals(bytes)).toBe(true);
  });

  test('a repeat changes nothing, and of an overlap only what is new is added', async () => {
    await using store = openStore();
    await store.append(ATTEMPT, 0, Buffer.from('hello '), 1);
    expect(await store.append(ATTEMPT, 0, Buffer.from('hello '), 1)).toEqual({ size: 6 });
    expect(await store.append(ATTEMPT, 2, Buffer.from('llo'), 1)).toEqual({ size: 6 });
    expect(await store.append(ATTEMPT, 3, Buffer.from('lo world'), 1)).toEqual({ size: 11 });
    expect(String(await read(store))).toBe('hello world');
  });

  test('a gap is answered with where to go on, and adds nothing', async () => {
    await using store = openStore();
    expect(await store.append(ATTEMPT, 5, Buffer.from('world'), 1)).toEqual({ gapAt: 0 });
    await store.append(ATTEMPT, 0, Buffer.from('hello'), 1);
    expect(await store.append(ATTEMPT, 6, Buffer.from('world'), 1)).toEqual({ gapAt: 5 });
    expect(String(await read(store))).toBe('hello');
  });

  test('what is sent at the same time is written one after the other, each byte once', async () => {
    await using store = openStore();
    const bytes = randomBytes(50_000);
    const sends = Array.from({ length: 50 }, (_, n) => bytes.subarray(n * 1000, n * 1000 + 1000));
    await Promise.all(
      sends.flatMap((part, n) => [1, 2, 3].map(() => store.append(ATTEMPT, n * 1000, part, n))),
    );
    expect((await read(store)).equals(bytes)).toBe(true);
    expect((await store.seal(ATTEMPT)).sha256).toBe(sha256(bytes));
  });

  test('a server that starts again appends where the last one stopped', async () => {
    using dir = tempDir();
    {
      await using store = new DirectoryLogs({ dir: dir.path });
      await store.append(ATTEMPT, 0, Buffer.from('before\n'), 1);
    }
    await using store = new DirectoryLogs({ dir: dir.path });
    expect(await store.append(ATTEMPT, 7, Buffer.from('after\n'), 2)).toEqual({ size: 13 });
    expect(await store.seal(ATTEMPT)).toEqual({ size: 13, sha256: sha256('before\nafter\n') });
    expect((await store.lines(ATTEMPT, { from: 1, count: 9 })).lines).toMatchObject([
      { number: 1, offset: 0, at: 1, text: 'before' },
      { number: 2, offset: 7, at: 2, text: 'after' },
    ]);
  });

  test('who listens hears of every growth until he stops', async () => {
    await using store = openStore();
    const heard: [string, number][] = [];
    const stop = store.onGrew((attempt, size) => heard.push([attempt, size]));
    await store.append(ATTEMPT, 0, Buffer.from('ab'), 1);
    await store.append(ATTEMPT, 0, Buffer.from('ab'), 1);
    await store.append(ATTEMPT, 2, Buffer.from('c'), 1);
    stop();
    await store.append(ATTEMPT, 3, Buffer.from('d'), 1);
    expect(heard).toEqual([
      [ATTEMPT, 2],
      [ATTEMPT, 3],
    ]);
  });

  test('an id that is no id names no file', async () => {
    await using store = openStore();
    for (const id of ['../../../etc/passwd', 'a/b', '', 'ATTEMPT00', 'short'])
      await expect(store.append(id, 0, Buffer.from('x'), 1)).rejects.toThrow('is not the id of an attempt');
  });
});

describe('sealing', () => {
  test('the digest is that of the bytes held, and appending may go on', async () => {
    await using store = openStore();
    await store.append(ATTEMPT, 0, Buffer.from('one'), 1);
    expect(await store.seal(ATTEMPT)).toEqual({ size: 3, sha256: sha256('one') });
    expect(await store.seal(ATTEMPT)).toEqual({ size: 3, sha256: sha256('one') });
    await store.append(ATTEMPT, 3, Buffer.from('two'), 1);
    expect(await store.seal(ATTEMPT)).toEqual({ size: 6, sha256: sha256('onetwo') });
  });

  test('an empty log has the digest of nothing', async () => {
    await using store = openStore();
    expect(await store.size(ATTEMPT)).toBe(0);
    expect(await store.seal(ATTEMPT)).toEqual({ size: 0, sha256: sha256('') });
  });

  test('a log that was reset is written again from its beginning', async () => {
    await using store = openStore();
    await store.append(ATTEMPT, 0, Buffer.from('wrong\nwrong\n'), 1);
    await store.reset(ATTEMPT);
    expect(await store.size(ATTEMPT)).toBe(0);
    expect(await store.append(ATTEMPT, 3, Buffer.from('x'), 2)).toEqual({ gapAt: 0 });
    await store.append(ATTEMPT, 0, Buffer.from('right\n'), 2);
    expect(await store.seal(ATTEMPT)).toEqual({ size: 6, sha256: sha256('right\n') });
    expect(await store.lines(ATTEMPT, { from: 1, count: 9 })).toMatchObject({
      lines: [{ text: 'right', at: 2 }],
      total: 1,
    });
  });

  test('a removed log is gone', async () => {
    using dir = tempDir();
    await using store = new DirectoryLogs({ dir: dir.path });
    await store.append(ATTEMPT, 0, Buffer.from('x'), 1);
    await store.remove(ATTEMPT);
    expect(await store.size(ATTEMPT)).toBe(0);
    expect(await store.lines(ATTEMPT, { from: 1, count: 1 })).toEqual({ lines: [], total: 0 });
    expect(readdirSync(dir.path, { recursive: true })).toEqual(['1a']);
  });

  test('sealed logs hold no file open', async () => {
    await using store = openStore();
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let n = 0; n < 200; n += 1) {
      const attempt = `attempt000000000000000${n}`;
      await store.append(attempt, 0, Buffer.from('x\n'), 1);
      await store.seal(attempt);
      await store.lines(attempt, { from: 1, count: 1 });
    }
    await store.close();
    expect(descriptors()).toBeLessThanOrEqual(before);
  });

  test('however many logs grow at once, only some are held open', async () => {
    await using store = openStore();
    const before = readdirSync('/proc/self/fd').length;
    for (let n = 0; n < 400; n += 1)
      await store.append(`attempt000000000000000${n}`, 0, Buffer.from('x\n'), 1);
    expect(readdirSync('/proc/self/fd').length - before).toBeLessThan(2 * 256 + 20);
    expect(await store.append('attempt0000000000000000', 2, Buffer.from('y\n'), 1)).toEqual({ size: 4 });
  });
});

describe('reading', () => {
  test('any bytes can be had while the log grows', async () => {
    await using store = openStore();
    await store.append(ATTEMPT, 0, Buffer.from('0123456789'), 1);
    expect(String(await read(store, 3, 6))).toBe('345');
    expect(String(await read(store, 8, 99))).toBe('89');
    expect(String(await read(store, 4, 4))).toBe('');
  });

  test('lines have numbers, places and the time they came', async () => {
    await using store = openStore();
    await append(store, [
      ['one\ntw', 10],
      ['o\n\nfo', 20],
      ['ur', 30],
    ]);
    expect(await store.lines(ATTEMPT, { from: 1, count: 10 })).toEqual({
      lines: [
        { number: 1, offset: 0, length: 3, at: 10, text: 'one' },
        { number: 2, offset: 4, length: 3, at: 10, text: 'two' },
        { number: 3, offset: 8, length: 0, at: 20, text: '' },
        { number: 4, offset: 9, length: 4, at: 20, text: 'four' },
      ],
      total: 4,
    });
  });

  test.each([
    ['some from the middle', { from: 3, count: 2 }, [3, 4]],
    ['the last', { from: -2, count: 9 }, [9, 10]],
    ['from before the first', { from: -99, count: 2 }, [1, 2]],
    ['from 0, which is taken for the first', { from: 0, count: 1 }, [1]],
    ['beyond the end', { from: 11, count: 5 }, []],
    ['none', { from: 4, count: 0 }, []],
  ])('lines can be asked for: %s', async (_what, query, numbers) => {
    await using store = openStore();
    await append(store, [['1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n', 1]]);
    const { lines, total } = await store.lines(ATTEMPT, query);
    expect(lines.map(({ number, text }) => [number, text])).toEqual(numbers.map((n) => [n, String(n)]));
    expect(total).toBe(10);
  });

  test('a line of megabytes is cut for the screen, not in its middle of a character, and others are found beside it', async () => {
    await using store = openStore();
    const long = 'x€'.repeat(1_500_000);
    await append(store, [[`before\n${long}\nafter\n`, 1]]);
    const { lines, total } = await store.lines(ATTEMPT, { from: 1, count: 5 });
    expect(total).toBe(3);
    expect(lines.map(({ length }) => length)).toEqual([6, 6_000_000, 5]);
    expect(lines[1]?.text).toBe(long.slice(0, lines[1]?.text.length));
    expect(lines[1]?.text.length).toBeLessThan(20_000);
    expect(lines[2]).toMatchObject({ number: 3, offset: 6_000_008, text: 'after' });
    expect(await store.lineAt(ATTEMPT, 3_000_000)).toBe(2);
  });

  test('an answer is bounded, whatever is asked for', async () => {
    await using store = openStore();
    await append(store, [[`${'x'.repeat(16_000)}\n`.repeat(1000), 1]]);
    const { lines, total } = await store.lines(ATTEMPT, { from: 1, count: 1000 });
    expect(total).toBe(1000);
    expect(lines.length).toBeGreaterThan(100);
    expect(lines.length).toBeLessThan(300);
  });
});

describe('an index that is not what it should be is made good from the log', () => {
  const TEXT = Array.from({ length: 30_000 }, (_, n) => `line ${n + 1} of the log\n`).join('');
  test.each<[string, (log: string, index: string) => void]>([
    ['missing', (_log, index) => unlinkSync(index)],
    ['empty', (_log, index) => truncateSync(index, 0)],
    ['behind', (_log, index) => truncateSync(index, 24 * 2)],
    ['cut within a record', (_log, index) => truncateSync(index, 24 * 4 + 7)],
    ['ahead of a log that was cut', (log) => truncateSync(log, 200_000)],
    [
      'ahead of a log that grew without it',
      (log) => writeFileSync(log, 'more\n'.repeat(40_000), { flag: 'a' }),
    ],
    [
      'full of zeros at its end',
      (_log, index) =>
        writeFileSync(index, Buffer.concat([readFileSync(index).subarray(0, 48), Buffer.alloc(480)])),
    ],
  ])('%s', async (_what, damage) => {
    using dir = tempDir();
    {
      await using store = new DirectoryLogs({ dir: dir.path });
      for (let at = 0; at < TEXT.length; at += 100_000)
        await store.append(ATTEMPT, at, Buffer.from(TEXT.slice(at, at + 100_000)), 1);
    }
    const log = dir.join(`1a/${ATTEMPT}.log`);
    damage(log, `${log}.lines`);
    await using store = new DirectoryLogs({ dir: dir.path });
    await expectLines(store, readFileSync(log, 'utf8'));
    const size = readFileSync(log).length;
    expect(await store.append(ATTEMPT, size, Buffer.from('and on\n'), 2)).toEqual({ size: size + 7 });
    await expectLines(store, readFileSync(log, 'utf8'));
  });
});

describe('a full disk', () => {
  test('refuses the whole append, keeps what was there, and takes it once there is space', async ({
    skip,
  }) => {
    using disk = smallDisk(2 * 1024 * 1024, { skip });
    await using store = new DirectoryLogs({ dir: disk.path });
    const first = randomBytes(100_000);
    const second = randomBytes(500_000);
    await store.append(ATTEMPT, 0, first, 1);
    disk.fill(200_000);
    const refusal = await store.append(ATTEMPT, 100_000, second, 2).catch((error) => error);
    expect(refusal).toBeInstanceOf(Refusal);
    expect(refusal).toMatchObject({ status: 507, code: 'disk-full' });
    expect(await store.size(ATTEMPT)).toBe(100_000);
    expect((await read(store)).equals(first)).toBe(true);
    expect(await store.seal(ATTEMPT)).toEqual({ size: 100_000, sha256: sha256(first) });
    disk.free();
    expect(await store.append(ATTEMPT, 100_000, second, 3)).toEqual({ size: 600_000 });
    expect(await store.seal(ATTEMPT)).toEqual({
      size: 600_000,
      sha256: sha256(Buffer.concat([first, second])),
    });
  });

  test('refuses a new log, and takes it once there is space', async ({ skip }) => {
    using disk = smallDisk(1024 * 1024, { skip });
    await using store = new DirectoryLogs({ dir: disk.path });
    disk.fill(0);
    await expect(store.append(ATTEMPT, 0, Buffer.alloc(9000), 1)).rejects.toMatchObject({ status: 507 });
    disk.free();
    expect(await store.append(ATTEMPT, 0, Buffer.from('x'), 1)).toEqual({ size: 1 });
  });
});

/** A store on a directory that is gone with it. */
function openStore(): DirectoryLogs {
  const dir = tempDir();
  const store = new DirectoryLogs({ dir: dir.path });
  return Object.assign(store, {
    async [Symbol.asyncDispose]() {
      await store.close();
      dir[Symbol.dispose]();
    },
  });
}

async function append(store: DirectoryLogs, parts: [text: string, at: number][]): Promise<void> {
  let offset = 0;
  for (const [text, at] of parts) {
    const bytes = Buffer.from(text);
    await store.append(ATTEMPT, offset, bytes, at);
    offset += bytes.length;
  }
}

/** The store's lines, wherever they are asked for, are those of the text. */
async function expectLines(store: DirectoryLogs, text: string): Promise<void> {
  const expected = text.split('\n');
  if (expected.at(-1) === '') expected.pop();
  const { total } = await store.lines(ATTEMPT, { from: 1, count: 0 });
  expect(total).toBe(expected.length);
  for (const from of [1, 2, 2049, Math.max(1, total - 3000), Math.max(1, total - 4), total]) {
    const { lines } = await store.lines(ATTEMPT, { from, count: 5 });
    expect(lines.map((line) => line.text)).toEqual(expected.slice(from - 1, from + 4));
    const [first] = lines;
    const offset = Buffer.byteLength(
      expected
        .slice(0, from - 1)
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(first).toMatchObject({ number: from, offset });
    expect(await store.lineAt(ATTEMPT, offset)).toBe(from);
  }
}

async function read(store: DirectoryLogs, start = 0, end = Number.MAX_SAFE_INTEGER): Promise<Buffer> {
  return Buffer.concat(await store.read(ATTEMPT, { start, end }).toArray());
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
