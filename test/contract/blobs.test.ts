import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { BlobStore } from '@reprise/server/artifacts/blob.store.ts';
import { DirectoryStore } from '@reprise/server/storage/directory.ts';
import type { ObjectStore } from '@reprise/server/storage/objects.ts';
import { connectS3, S3Store } from '@reprise/server/storage/s3.ts';
import { abortLeftovers } from '@reprise/server/storage/s3-upload.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type S3Server, settingsOf, startS3 } from '../rig/s3.ts';
import { tempDir } from '../rig/temp.ts';

/** More than two parts of an upload to S3, and no whole number of them. */
const LARGE = randomBytes(20_000_003);
const SMALL = randomBytes(70_000);
const LIMIT = { limit: 30_000_000 };

let s3: S3Server;
let buckets = 0;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3[Symbol.asyncDispose]());

/** A place for objects as one server has it; a second server at the same place, and what is wrong with a place. */
interface Place extends AsyncDisposable {
  objects: ObjectStore;
  again(): Promise<ObjectStore>;
  /** Writes other bytes in place of an object's, past whoever looks after it. */
  damage(key: string, bytes: Buffer): Promise<void>;
  /** Bytes that are there without being an object. */
  leftovers(): Promise<number>;
}

describe.each<[string, () => Promise<Place>]>([
  ['a directory', directoryPlace],
  ['S3-compatible storage', s3Place],
])('blobs in %s', (_name, openPlace) => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['some bytes', SMALL],
    ['exactly one part', LARGE.subarray(0, 8 * 1024 * 1024)],
    ['several parts', LARGE],
  ])('%s: stored once under its digest, and read back', async (_what, bytes) => {
    await using place = await openPlace();
    const blobs = new BlobStore(place.objects);
    const sha256 = digest(bytes);
    expect(await blobs.size(sha256)).toBe(null);
    expect(await blobs.put(sha256, pieces(bytes), LIMIT)).toBe('stored');
    expect(await blobs.put(sha256, pieces(bytes), LIMIT)).toBe('held');
    expect(await blobs.size(sha256)).toBe(bytes.length);
    expect((await read(blobs, sha256)).equals(bytes)).toBe(true);
    expect(await keysOf(place.objects)).toEqual([`${sha256.slice(0, 2)}/${sha256}`]);
    expect(await place.leftovers()).toBe(0);
  });

  test('any range comes out, cut to what there is', async () => {
    await using place = await openPlace();
    const blobs = new BlobStore(place.objects);
    const sha256 = digest(LARGE);
    await blobs.put(sha256, pieces(LARGE), LIMIT);
    for (const [start, end] of [
      [0, 1],
      [8_388_600, 8_388_700],
      [19_999_999, 20_000_003],
      [20_000_000, 99_000_000],
      [7, 7],
    ] as const)
      expect((await read(blobs, sha256, { start, end })).equals(LARGE.subarray(start, end))).toBe(true);
    const { size, stream } = await blobs.openVerified(sha256, { start: 5, end: 6 });
    stream.destroy();
    expect(size).toBe(LARGE.length);
  });

  test.each<[string, () => AsyncIterable<Buffer>, { limit: number }, object]>([
    ['bytes of another digest', () => pieces(LARGE.subarray(1)), LIMIT, { status: 422 }],
    ['bytes cut off in the last part', () => pieces(LARGE.subarray(0, 19_000_000)), LIMIT, { status: 422 }],
    ['bytes cut off in the first part', () => pieces(LARGE.subarray(0, 1000)), LIMIT, { status: 422 }],
    ['more bytes than are allowed', () => pieces(LARGE), { limit: 20_000_002 }, { status: 413 }],
    ['a body that breaks off', () => breaking(LARGE), LIMIT, { message: 'The connection was cut.' }],
  ])('%s: refused, nothing is to be seen, and no part of it is left', async (_what, body, limit, refusal) => {
    await using place = await openPlace();
    const blobs = new BlobStore(place.objects);
    await expect(blobs.put(digest(LARGE), body(), limit)).rejects.toMatchObject(refusal);
    expect(await blobs.has(digest(LARGE))).toBe(false);
    expect(await keysOf(place.objects)).toEqual([]);
    expect(await place.leftovers()).toBe(0);
  });

  test('until its last byte has been checked a blob is not there', async () => {
    await using place = await openPlace();
    const blobs = new BlobStore(place.objects);
    const seen: boolean[] = [];
    async function* watched() {
      for await (const piece of pieces(LARGE)) {
        if (seen.length < 40) seen.push(await blobs.has(digest(LARGE)));
        yield piece;
      }
      seen.push(await blobs.has(digest(LARGE)));
    }
    await blobs.put(digest(LARGE), watched(), LIMIT);
    expect(new Set(seen)).toEqual(new Set([false]));
    expect(await blobs.has(digest(LARGE))).toBe(true);
  });

  test('ten uploads of one blob at once make one', async () => {
    await using place = await openPlace();
    const blobs = new BlobStore(place.objects);
    const sha256 = digest(SMALL);
    await Promise.all(Array.from({ length: 10 }, () => blobs.put(sha256, pieces(SMALL), LIMIT)));
    expect(await keysOf(place.objects)).toHaveLength(1);
    expect((await read(blobs, sha256)).equals(SMALL)).toBe(true);
  });

  test('what one server stored another gives out, checked', async () => {
    await using place = await openPlace();
    await new BlobStore(place.objects).put(digest(LARGE), pieces(LARGE), LIMIT);
    const other = new BlobStore(await place.again());
    expect((await read(other, digest(LARGE))).equals(LARGE)).toBe(true);
  });

  test.each([
    ['a flipped bit', SMALL],
    ['a flipped bit in one of several parts', LARGE],
  ])(
    '%s is never given out, here or by a server that starts later, and healed by the same bytes',
    async (_w, bytes) => {
      await using place = await openPlace();
      const blobs = new BlobStore(place.objects);
      const sha256 = digest(bytes);
      await blobs.put(sha256, pieces(bytes), LIMIT);
      await read(blobs, sha256);
      const wrong = Buffer.from(bytes);
      wrong[30_000] = (wrong[30_000] ?? 0) ^ 1;
      await place.damage(`${sha256.slice(0, 2)}/${sha256}`, wrong);
      const later = new BlobStore(await place.again());
      for (const store of [blobs, later]) {
        await expect(store.openVerified(sha256)).rejects.toMatchObject({
          status: 500,
          code: 'artifact-damaged',
        });
        await expect(store.openVerified(sha256)).rejects.toMatchObject({
          status: 500,
          code: 'artifact-damaged',
        });
        expect(await store.has(sha256)).toBe(false);
      }
      expect(await blobs.put(sha256, pieces(bytes), LIMIT)).toBe('stored');
      for (const store of [blobs, later]) expect((await read(store, sha256)).equals(bytes)).toBe(true);
    },
  );

  test('a removed object is gone, and removing it again is fine', async () => {
    await using place = await openPlace();
    await place.objects.put('ab/abc.log', pieces(SMALL));
    await place.objects.remove('ab/abc.log');
    await place.objects.remove('ab/abc.log');
    expect(await place.objects.open('ab/abc.log')).toBe(null);
  });

  test('all that is there is listed in the order of its keys, from any of them on, with the time it was stored', async () => {
    await using place = await openPlace();
    const before = Date.now();
    const keys = ['01/a', '0z/b.log', '0z/b.log.lines', '0z/c.log', 'a0/d', 'zz/e'];
    for (const key of [...keys].reverse()) await place.objects.put(key, pieces(SMALL));
    expect(await keysOf(place.objects)).toEqual(keys);
    for (const [at, after] of keys.entries())
      expect(await keysOf(place.objects, after)).toEqual(keys.slice(at + 1));
    expect(await keysOf(place.objects, '0z')).toEqual(keys.slice(1));
    for await (const { storedAt } of place.objects.list()) {
      // Some places count in whole seconds.
      expect(storedAt).toBeGreaterThan(before - 2000);
      expect(storedAt).toBeLessThan(Date.now() + 2000);
    }
  });

  test('what is no key names nothing', async () => {
    await using place = await openPlace();
    for (const key of ['../../etc/passwd', 'ab/../cd', 'ab', '', 'ab/CD', 'abc/d'])
      await expect(place.objects.open(key)).rejects.toThrow('is not the key of an object');
  });
});

describe('S3-compatible storage', () => {
  test('an upload of any size holds one part of it in memory', async () => {
    await using place = await s3Place();
    const grown = await peakOf(async () => {
      const endless = async function* () {
        for (let n = 0; n < 120; n += 1) yield randomBytes(1024 * 1024);
      };
      await place.objects.put('ab/large', endless());
    });
    expect((await place.objects.open('ab/large'))?.size).toBe(120 * 1024 * 1024);
    expect(grown).toBeLessThan(60 * 1024 * 1024);
  });

  test('uploads nobody ends are aborted by age, those of others at work are not', async () => {
    await using place = await s3Place();
    const { Bucket, prefix } = place;
    const at = { Bucket, Key: `${prefix}blobs/ab/half` };
    const { UploadId } = await s3.client.send(new CreateMultipartUploadCommand(at));
    await s3.client.send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: SMALL }));
    const where = { client: s3.client, bucket: Bucket, prefix: `${prefix}blobs/` };
    expect(await abortLeftovers(where)).toBe(0);
    expect(await place.leftovers()).toBe(1);
    expect(await abortLeftovers(where, -60_000)).toBe(1);
    expect(await place.leftovers()).toBe(0);
  });

  test('an address that gives the blob to anybody for a minute', async () => {
    await using place = await s3Place('&presign=true');
    const blobs = new BlobStore(place.objects);
    await blobs.put(digest(SMALL), pieces(SMALL), LIMIT);
    const link = await blobs.link(digest(SMALL), { fileName: 'shop-1.tar.gz', type: 'application/gzip' });
    const whole = await fetch(link ?? '');
    expect(whole.headers.get('content-disposition')).toBe('attachment; filename="shop-1.tar.gz"');
    expect(whole.headers.get('content-type')).toBe('application/gzip');
    expect(Buffer.from(await whole.arrayBuffer()).equals(SMALL)).toBe(true);
    const part = await fetch(link ?? '', { headers: { range: 'bytes=10-19' } });
    expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, SMALL.subarray(10, 20)]);
    expect(new URL(link ?? '').searchParams.get('X-Amz-Expires')).toBe('60');
    const forged = await fetch((link ?? '').replace(digest(SMALL), digest(LARGE)));
    expect(forged.status).toBe(403);
  });

  test('no address is given unless it was asked for, and none of a damaged blob', async () => {
    const file = { fileName: 'a', type: 'b/c' };
    await using plain = await s3Place();
    const quiet = new BlobStore(plain.objects);
    await quiet.put(digest(SMALL), pieces(SMALL), LIMIT);
    expect(await quiet.link(digest(SMALL), file)).toBe(null);
    await using place = await s3Place('&presign=true');
    const blobs = new BlobStore(place.objects);
    await blobs.put(digest(SMALL), pieces(SMALL), LIMIT);
    await place.damage(`${digest(SMALL).slice(0, 2)}/${digest(SMALL)}`, LARGE);
    await expect(blobs.link(digest(SMALL), file)).rejects.toMatchObject({ code: 'artifact-damaged' });
  });

  test('bytes that rot on the server’s own disk are found, too', async () => {
    await using place = await s3Place();
    await new BlobStore(place.objects).put(digest(SMALL), pieces(SMALL), LIMIT);
    const copies = filesOf(s3.dir).filter((path) => readFileSync(path).equals(SMALL));
    for (const path of copies) writeFileSync(path, 'x', { flag: 'r+' });
    expect(copies.length).toBeGreaterThan(0);
    const later = new BlobStore(await place.again());
    await expect(later.openVerified(digest(SMALL))).rejects.toMatchObject({ status: 500 });
  });

  test.each([
    [
      'a bucket that is not there',
      (url: string) => url.replace(/\/bucket-\d+/, '/nothing-here'),
      'has no bucket',
    ],
    ['a wrong key', (url: string) => url.replace(':testing@', ':wrong-secret@'), 'refuses the bucket'],
    ['nobody who listens', (url: string) => url.replace(/:\d+\//, ':1/'), 'cannot be reached'],
  ])('%s is said at the start, without the secret', async (_what, change, sentence) => {
    buckets += 1;
    const url = change(await s3.bucket(`bucket-${buckets}`));
    const error = await connectS3(settingsOf(url)).catch((error) => error);
    expect(error.message).toContain(sentence);
    expect(`${error.message} ${JSON.stringify(settingsOf(url))}`).not.toContain('wrong-secret');
  });
});

async function directoryPlace(): Promise<Place> {
  const dir = tempDir();
  const open = () => new DirectoryStore({ dir: dir.path });
  return {
    objects: open(),
    again: async () => open(),
    damage: async (key, bytes) => writeFileSync(dir.join(key), bytes),
    leftovers: async () => readdirSync(dir.join('incoming')).length,
    async [Symbol.asyncDispose]() {
      dir[Symbol.dispose]();
    },
  };
}

async function s3Place(options = ''): Promise<Place & { Bucket: string; prefix: string }> {
  buckets += 1;
  const Bucket = `bucket-${buckets}`;
  const settings = settingsOf((await s3.bucket(Bucket, options)).replace('?', '/team/ci?'));
  const { prefix } = settings;
  const client = await connectS3(settings);
  const open = () => new S3Store(client, settings, 'blobs');
  const stores = [open()];
  const [objects] = stores as [S3Store];
  return {
    Bucket,
    prefix,
    objects,
    async again() {
      const store = open();
      stores.push(store);
      return store;
    },
    async damage(key, Body) {
      await s3.client.send(new PutObjectCommand({ Bucket, Key: `${prefix}blobs/${key}`, Body }));
    },
    async leftovers() {
      const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket }));
      return Uploads.length;
    },
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close();
      client.destroy();
    },
  };
}

async function read(
  blobs: BlobStore,
  sha256: string,
  range?: { start: number; end: number },
): Promise<Buffer> {
  const { stream } = await blobs.openVerified(sha256, range);
  return Buffer.concat(await stream.toArray());
}

async function keysOf(objects: ObjectStore, after = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list({ after })) keys.push(key);
  return keys;
}

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

async function* breaking(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes.subarray(0, 12_000_000);
  throw new Error('The connection was cut.');
}

/** By how much the process grew at most while something was done. */
async function peakOf(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const look = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 20);
  await work();
  clearInterval(look);
  return most - before;
}

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
