import { createHash, randomBytes } from 'node:crypto';
import {
  copyFileSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { BlobStore } from '@reprise/server/artifacts/blob.store.ts';
import { DirectoryStore } from '@reprise/server/storage/directory.ts';
import { describe, expect, test } from 'vitest';
import { smallDisk } from '../../rig/small-disk.ts';
import { tempDir } from '../../rig/temp.ts';

const BYTES = randomBytes(700_000);
const SHA256 = sha256(BYTES);
const LIMIT = { limit: 1_000_000 };

describe('storing', () => {
  test('a blob is stored under its digest, and a second time it is held already', async () => {
    using dir = tempDir();
    const blobs = new BlobStore(new DirectoryStore({ dir: dir.path }));
    expect(await blobs.has(SHA256)).toBe(false);
    expect(await blobs.size(SHA256)).toBe(null);
    expect(await blobs.put(SHA256, pieces(BYTES), LIMIT)).toBe('stored');
    expect(await blobs.put(SHA256, pieces(BYTES), LIMIT)).toBe('held');
    expect(await blobs.has(SHA256)).toBe(true);
    expect(await blobs.size(SHA256)).toBe(700_000);
    expect(files(dir.path)).toEqual([join(SHA256.slice(0, 2), SHA256)]);
  });

  test('twenty uploads of one blob at once make one', async () => {
    using dir = tempDir();
    const blobs = new BlobStore(new DirectoryStore({ dir: dir.path }));
    await Promise.all(Array.from({ length: 20 }, () => blobs.put(SHA256, pieces(BYTES), LIMIT)));
    expect(files(dir.path)).toEqual([join(SHA256.slice(0, 2), SHA256)]);
    expect(await blobs.readSmall(SHA256)).toEqual(BYTES);
  });

  test.each<[string, () => AsyncIterable<Buffer>, { limit: number }, object]>([
    [
      'bytes of another digest',
      () => pieces(BYTES.subarray(1)),
      LIMIT,
      { status: 422, code: 'digest-mismatch' },
    ],
    [
      'bytes cut off',
      () => pieces(BYTES.subarray(0, 650_000)),
      LIMIT,
      { status: 422, code: 'digest-mismatch' },
    ],
    [
      'more bytes than are allowed',
      () => pieces(BYTES),
      { limit: 699_999 },
      { status: 413, code: 'too-large' },
    ],
    ['a body that breaks off', () => breaking(BYTES), LIMIT, { message: 'The connection was cut.' }],
  ])('%s: refused, and nothing is left', async (_what, body, limit, refusal) => {
    using dir = tempDir();
    const blobs = new BlobStore(new DirectoryStore({ dir: dir.path }));
    await expect(blobs.put(SHA256, body(), limit)).rejects.toMatchObject(refusal);
    expect(files(dir.path)).toEqual([]);
    expect(await blobs.has(SHA256)).toBe(false);
  });

  test('a body without end is taken no further than the limit', async () => {
    using dir = tempDir();
    const blobs = new BlobStore(new DirectoryStore({ dir: dir.path }));
    let taken = 0;
    async function* endless() {
      for (;;) {
        taken += 64 * 1024;
        yield Buffer.alloc(64 * 1024);
      }
    }
    await expect(blobs.put(SHA256, endless(), LIMIT)).rejects.toMatchObject({ status: 413 });
    expect(taken).toBeLessThan(1_100_000);
  });

  test('what an upload left unfinished when the server died is removed at the next start', () => {
    using dir = tempDir();
    new BlobStore(new DirectoryStore({ dir: dir.path }));
    writeFileSync(dir.join('incoming/half'), 'half');
    new BlobStore(new DirectoryStore({ dir: dir.path }));
    expect(files(dir.path)).toEqual([]);
  });

  test('a full disk refuses with 507 and leaves nothing; once there is space the blob is taken', async ({
    skip,
  }) => {
    using disk = smallDisk(2 * 1024 * 1024, { skip });
    const blobs = new BlobStore(new DirectoryStore({ dir: disk.path }));
    disk.fill(300_000);
    await expect(blobs.put(SHA256, pieces(BYTES), LIMIT)).rejects.toMatchObject({
      status: 507,
      code: 'disk-full',
    });
    expect(readdirSync(join(disk.path, 'incoming'))).toEqual([]);
    expect(await blobs.has(SHA256)).toBe(false);
    disk.free();
    expect(await blobs.put(SHA256, pieces(BYTES), LIMIT)).toBe('stored');
  });

  test('what is no digest names no file', async () => {
    using dir = tempDir();
    const blobs = new BlobStore(new DirectoryStore({ dir: dir.path }));
    for (const name of ['../../../etc/passwd', '', SHA256.toUpperCase(), `${SHA256}x`, SHA256.slice(1)])
      await expect(blobs.has(name)).rejects.toThrow('is not a sha256');
  });
});

describe('reading', () => {
  test('a blob comes out whole or in part', async () => {
    using dir = tempDir();
    const blobs = await storeWith(dir.path);
    const read = async (range?: { start: number; end: number }) => {
      const { size, stream } = await blobs.openVerified(SHA256, range);
      expect(size).toBe(700_000);
      return Buffer.concat(await stream.toArray());
    };
    expect((await read()).equals(BYTES)).toBe(true);
    expect((await read({ start: 300_000, end: 650_000 })).equals(BYTES.subarray(300_000, 650_000))).toBe(
      true,
    );
    expect((await read({ start: 699_999, end: 9_000_000 })).equals(BYTES.subarray(699_999))).toBe(true);
    expect((await read({ start: 7, end: 7 })).length).toBe(0);
  });

  test('an empty blob is one, too', async () => {
    using dir = tempDir();
    const blobs = new BlobStore(new DirectoryStore({ dir: dir.path }));
    expect(await blobs.put(sha256(Buffer.alloc(0)), pieces(Buffer.alloc(0)), LIMIT)).toBe('stored');
    expect(await blobs.readSmall(sha256(Buffer.alloc(0)))).toEqual(Buffer.alloc(0));
  });

  test('a blob larger than what is to be held in memory is refused', async () => {
    using dir = tempDir();
    const blobs = await storeWith(dir.path);
    await expect(blobs.readSmall(SHA256, 600_000)).rejects.toMatchObject({ status: 413 });
  });

  test('reading leaves no file open', async () => {
    using dir = tempDir();
    const blobs = await storeWith(dir.path);
    const before = readdirSync('/proc/self/fd').length;
    for (let n = 0; n < 50; n += 1) {
      const { stream } = await blobs.openVerified(SHA256, { start: 0, end: n });
      await stream.toArray();
      const abandoned = await blobs.openVerified(SHA256);
      abandoned.stream.destroy();
      await new Promise((resolve) => abandoned.stream.once('close', resolve));
      await blobs.has(SHA256);
    }
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });
});

describe('a blob that is no longer what it was is never given out, and put aside', () => {
  test.each<[string, (path: string) => void]>([
    ['a flipped bit', (path) => flip(path)],
    [
      'a flipped bit, with the time of writing put back',
      (path) => {
        const { atime, mtime } = statSync(path);
        flip(path);
        utimesSync(path, atime, mtime);
      },
    ],
    ['a cut end', (path) => truncateSync(path, 600_000)],
    ['other content', (path) => writeFileSync(path, 'evil')],
    [
      'another file in its place',
      (path) => {
        flip(path);
        copyFileSync(path, `${path}.new`);
        unlinkSync(path);
        copyFileSync(`${path}.new`, path);
        unlinkSync(`${path}.new`);
      },
    ],
  ])('%s', async (_what, damage) => {
    using dir = tempDir();
    const blobs = await storeWith(dir.path);
    const path = dir.join(SHA256.slice(0, 2), SHA256);
    await (await blobs.openVerified(SHA256)).stream.toArray();
    damage(path);
    await expect(blobs.openVerified(SHA256)).rejects.toMatchObject({ status: 500, code: 'artifact-damaged' });
    expect(files(dir.path)).toEqual([expect.stringContaining(`${SHA256}.damaged-`)]);
    await expect(blobs.openVerified(SHA256)).rejects.toMatchObject({ status: 500, code: 'artifact-damaged' });
    expect(await blobs.has(SHA256)).toBe(false);
    expect(await blobs.put(SHA256, pieces(BYTES), LIMIT)).toBe('stored');
    expect(await blobs.readSmall(SHA256)).toEqual(BYTES);
  });

  test('damage before a start is found after it', async () => {
    using dir = tempDir();
    await storeWith(dir.path);
    flip(dir.join(SHA256.slice(0, 2), SHA256));
    const again = new BlobStore(new DirectoryStore({ dir: dir.path }));
    await expect(again.openVerified(SHA256)).rejects.toMatchObject({ code: 'artifact-damaged' });
  });
});

async function storeWith(dir: string): Promise<BlobStore> {
  const blobs = new BlobStore(new DirectoryStore({ dir }));
  await blobs.put(SHA256, pieces(BYTES), LIMIT);
  return blobs;
}

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

async function* breaking(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes.subarray(0, 100_000);
  throw new Error('The connection was cut.');
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[350_000] = (bytes[350_000] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

/** Every file below a directory. */
function files(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
