import { createHash, randomBytes } from 'node:crypto';

import { JobLog } from '@reprise/runner/log.ts';
import { LogUpload } from '@reprise/runner/log-upload.ts';
import { describe, expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function openLog(file: string, o: { limit?: number; secrets?: string[]; onGrew?: () => void } = {}) {
  const faults: Error[] = [];
  const log = await JobLog.open({
    file,
    limit: o.limit ?? 1024 ** 2,
    secrets: o.secrets ?? [],
    onGrew: o.onGrew ?? (() => undefined),
    onFault: (error) => faults.push(error),
  });
  return { log, faults };
}

async function wholeOf(log: JobLog): Promise<Buffer> {
  await log.settle();
  const bytes = Buffer.alloc(log.readable);
  for (let at = 0; at < bytes.length; ) at += await log.read(at, bytes.subarray(at));
  return bytes;
}

describe("a job's log", () => {
  test('is what was written, with its digest', async () => {
    using dir = tempDir();
    const { log } = await openLog(dir.join('log'));
    const bytes = randomBytes(300_000);
    for (let at = 0; at < bytes.length; at += 7919) await log.write(bytes.subarray(at, at + 7919));
    const end = await log.end();
    expect(end).toEqual({ size: bytes.length, sha256: sha256(bytes) });
    expect((await wholeOf(log)).equals(bytes)).toBe(true);
    await log.close();
  });

  test('masks values, and a section ends what was held back for one', async () => {
    using dir = tempDir();
    const { log } = await openLog(dir.join('log'), { secrets: ['secret-token'] });
    log.write(Buffer.from('1 secret-'));
    log.write(Buffer.from('token 2 secret-'));
    expect(log.mark()).toBe('1 *** 2 secret-'.length);
    log.write(Buffer.from('token 3'));
    expect((await wholeOf(log)).toString()).toBe('1 *** 2 secret-token 3');
    await log.close();
  });

  test('is cut at its limit, exactly, with a line that says so', async () => {
    using dir = tempDir();
    const { log } = await openLog(dir.join('log'), { limit: 1000 });
    for (let index = 0; index < 100; index += 1) await log.write(Buffer.alloc(99, 'x'));
    const { size } = await log.end();
    expect(size).toBe(1000);
    expect((await wholeOf(log)).toString()).toMatch(
      /x\n\[the log has reached its limit of 1000 bytes and is cut here\]\n$/,
    );
    await log.close();
  });

  test('that exactly fills its limit less the line is not cut', async () => {
    using dir = tempDir();
    const { log } = await openLog(dir.join('log'), { limit: 1000 });
    const line = '\n[the log has reached its limit of 1000 bytes and is cut here]\n';
    await log.write(Buffer.alloc(1000 - line.length, 'x'));
    expect((await log.end()).size).toBe(1000 - line.length);
    await log.close();
  });

  test('keeps its end in memory when the disk is full', async () => {
    const { log, faults } = await openLog('/dev/full');
    await log.write(Buffer.from('first\n'));
    await log.settle();
    expect(faults).toMatchObject([{ code: 'ENOSPC' }]);
    log.say('the disk is full');
    const { size, sha256: digest } = await log.end();
    const bytes = await wholeOf(log);
    expect(bytes.toString()).toBe('first\nthe disk is full\n');
    expect({ size, digest }).toEqual({ size: bytes.length, digest: sha256(bytes) });
    await log.close();
  });
});

describe('the upload of a log', () => {
  /** A receiving end that keeps bytes at offsets, as the server does. */
  async function uploading(file: string, answer: (held: number, sent: number) => number | Error) {
    const received = { bytes: Buffer.alloc(0), requests: [] as [number, number][] };
    const refused: unknown[] = [];
    const opened = await openLog(file, { limit: 1024 ** 3, onGrew: () => upload.grew() });
    const send = async (offset: number, bytes: Buffer) => {
      received.requests.push([offset, bytes.length]);
      const skipped = received.bytes.length - offset;
      if (skipped >= 0) received.bytes = Buffer.concat([received.bytes, bytes.subarray(skipped)]);
      const size = answer(received.bytes.length, received.requests.length);
      if (size instanceof Error) throw size;
      received.bytes = received.bytes.subarray(0, size);
      return size;
    };
    const upload = new LogUpload(opened.log, send, (error) => refused.push(error));
    return { ...opened, upload, received, refused };
  }

  test('sends the first bytes at once and gathers those that follow', async () => {
    using dir = tempDir();
    const { log, upload, received } = await uploading(dir.join('log'), (held) => held);
    log.write(Buffer.from('first\n'));
    await expect.poll(() => received.requests.length, { interval: 1, timeout: 200 }).toBe(1);
    for (let index = 0; index < 50; index += 1) log.write(Buffer.from(`line ${index}\n`));
    await log.end();
    await upload.complete();
    expect(received.requests.length).toBeLessThan(4);
    expect(received.bytes.equals(await wholeOf(log))).toBe(true);
    await log.close();
  });

  test('goes on where the server is, backwards too', async () => {
    using dir = tempDir();
    // At first every third answer says that half of it was lost.
    const { log, upload, received } = await uploading(dir.join('log'), (held, sent) =>
      sent < 20 && sent % 3 === 0 ? Math.floor(held / 2) : held,
    );
    const bytes = randomBytes(5_000_000);
    for (let at = 0; at < bytes.length; at += 65_536) await log.write(bytes.subarray(at, at + 65_536));
    await log.end();
    await upload.complete();
    expect(received.bytes.equals(bytes)).toBe(true);
    expect(Math.max(...received.requests.map(([, length]) => length))).toBeLessThanOrEqual(1024 ** 2);
    await log.close();
  });

  test('begins again where it is told to', async () => {
    using dir = tempDir();
    const { log, upload, received } = await uploading(dir.join('log'), (held) => held);
    log.write(Buffer.from('all of it'));
    await log.end();
    await upload.complete();
    received.bytes = Buffer.alloc(0);
    await upload.complete(0);
    expect(received.bytes.toString()).toBe('all of it');
    await log.close();
  });

  test('ends when it is refused, and says so once', async () => {
    using dir = tempDir();
    const { log, upload, received, refused } = await uploading(dir.join('log'), () => new Error('stale'));
    log.write(Buffer.from('a'));
    await log.end();
    await upload.complete();
    log.write(Buffer.from('b'));
    await log.end();
    await upload.complete();
    expect(refused).toHaveLength(1);
    expect(received.requests).toHaveLength(1);
    await log.close();
  });
});
