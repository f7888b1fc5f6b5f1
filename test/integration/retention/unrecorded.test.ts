import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Promotable } from '../../rig/promotable.ts';
import { packed, sha256 } from '../../rig/puppet-runner.ts';
import { type S3Server, startS3 } from '../../rig/s3.ts';

const HOUR_MS = 3_600_000;

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3[Symbol.asyncDispose]());

describe.each([
  ['a directory', async () => ({})],
  ['S3-compatible storage', async () => ({ STORAGE_URL: await s3.bucket('unrecorded') })],
])('what is stored in %s and never recorded', (_name, settings) => {
  let shop: Promotable;
  /** Hours that the server's clock is ahead. */
  let hoursOn = 0;
  beforeAll(async () => {
    shop = await Promotable.start({}, await settings());
    const real = shop.here.services.now;
    shop.here.services.now = () => real() + hoursOn * HOUR_MS;
  });
  afterAll(() => shop[Symbol.asyncDispose]());

  const has = (text: string) => shop.here.services.blobs.has(sha256(text));
  const sweep = () => shop.here.services.retention.sweep();
  const take = async () => {
    const { body } = await shop.here.admin('POST', '/api/projects/shop/builds', { ref: shop.project.head });
    await shop.here.planned('shop', body.number);
    return shop.builder.take();
  };

  test('goes when it is old, and what is recorded, young or somebody else’s stays', async () => {
    const { storage, logs } = shop.here.services;
    await shop.build();
    const work = await take();
    for (const text of ['left', 'left, too']) await shop.builder.putBlob(work, text);
    await shop.builder.finish(work, { status: 'failed' });
    await storage.logs.put('ab/attemptofnobodyab.log', pieces('said'));
    await storage.blobs.put('zz/notes.txt', pieces('a person’s'));
    hoursOn += 20;
    await sweep();
    expect(await noted()).toEqual([]);
    hoursOn += 5;
    await sweep();
    await sweep();
    expect(await noted()).toEqual(['left', 'left, too'].map(sha256).sort());
    expect([await has('left'), await logs.size('attemptofnobodyab')]).toEqual([true, 0]);
    hoursOn += 2;
    await sweep();
    expect(await Promise.all(['left', 'left, too', 'content 1', 'manifest 1'].map(has))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    const notes = await storage.blobs.open('zz/notes.txt');
    expect(notes?.size).toBeGreaterThan(0);
    await notes?.close();
    expect(await noted()).toEqual([]);
  });

  test('stays where a job comes to use it: noted before, noted again meanwhile, and due once it is recorded', async () => {
    const left = await take();
    await shop.builder.putBlob(left, 'used later');
    await shop.builder.finish(left, { status: 'failed' });
    hoursOn += 25;
    await sweep();
    expect(await noted()).toContain(sha256('used later'));
    hoursOn += 2;
    const work = await take();
    const artifact = packed('site', 'used later', 'its list');
    for (const bytes of ['used later', 'its list']) await shop.builder.putBlob(work, bytes);
    await sweep();
    expect(await noted()).toContain(sha256('used later'));
    const file = { ...artifact, fileName: `site-${work.version}.tar.gz` };
    expect((await shop.builder.finish(work, { artifacts: [file] })).status).toBe(200);
    expect(await noted()).not.toContain(sha256('used later'));
    hoursOn += 30;
    await sweep();
    hoursOn += 2;
    await sweep();
    expect(await has('used later')).toBe(true);
  });

  test('is not given to who comes while it is being removed; a moment later it is stored anew', async () => {
    const { blobs, db } = shop.here.services;
    const left = await take();
    await shop.builder.putBlob(left, 'just going');
    await shop.builder.finish(left, { status: 'failed' });
    const due = { store: 'blobs' as const, key: sha256('just going'), due_at: 1 };
    await db.insertInto('removals').values(due).execute();
    const work = await take();
    const remove = blobs.remove.bind(blobs);
    const [going, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    blobs.remove = async (digest) => {
      going.resolve();
      await gone.promise;
      await remove(digest);
    };
    const sweeping = sweep();
    await going.promise;
    expect(await shop.builder.putBlob(work, 'just going')).toMatchObject({ status: 503 });
    gone.resolve();
    await sweeping;
    blobs.remove = remove;
    expect(await shop.builder.putBlob(work, 'just going')).toMatchObject({ status: 201 });
    await shop.builder.finish(work, { status: 'failed' });
  });

  test('a result whose bytes are gone is refused, and taken once they were sent again', async () => {
    const { db } = shop.here.services;
    const work = await take();
    const artifact = packed('site', 'gone before', 'its list');
    for (const bytes of ['gone before', 'its list']) await shop.builder.putBlob(work, bytes);
    const due = { store: 'blobs' as const, key: sha256('gone before'), due_at: 1 };
    await db.insertInto('removals').values(due).execute();
    await sweep();
    const file = { ...artifact, fileName: `site-${work.version}.tar.gz` };
    expect((await shop.builder.finish(work, { artifacts: [file] })).status).toBe(422);
    await shop.builder.putBlob(work, 'gone before');
    expect((await shop.builder.finish(work, { artifacts: [file] })).status).toBe(200);
  });

  test('stays where there is so much of it that it must be another installation’s', async () => {
    const { storage } = shop.here.services;
    const others = Array.from({ length: 25 }, (_, n) => sha256(`another's ${n}`));
    for (const digest of others) await storage.blobs.put(`${digest.slice(0, 2)}/${digest}`, pieces('x'));
    hoursOn += 25;
    await sweep();
    expect((await noted()).filter((key) => others.includes(key))).toEqual([]);
    expect(shop.here.logLines.map(({ msg }) => msg)).toContain(
      'much of what is stored is not recorded, so it stays: do two installations share a storage?',
    );
  });

  async function noted(): Promise<string[]> {
    const rows = await shop.here.services.db.selectFrom('removals').select('key').orderBy('key').execute();
    return rows.map(({ key }) => key);
  }
});

async function* pieces(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}
