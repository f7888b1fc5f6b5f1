import { randomBytes } from 'node:crypto';
import type { Assignment } from '@reprise/runner/protocol.ts';
import { expect, test } from 'vitest';
import { PuppetRunner, sha256 } from '../../rig/puppet-runner.ts';
import { ADMIN_TOKEN, QueueServer } from '../../rig/queue-server.ts';
import { tempDir } from '../../rig/temp.ts';
import { Watcher } from '../../rig/watcher.ts';

test('a log that grows reaches its watcher whole, in order, with its end', async () => {
  await using server = await QueueServer.start();
  const { runner, work, topic } = await running(server);
  using page = new Watcher(server.address, ADMIN_TOKEN);
  const log = page.log(topic);
  await runner.log(work, 0, 'first line\n');
  await expect.poll(() => log.bytes().toString()).toBe('first line\n');
  await runner.log(work, 11, 'second line\n');
  await expect.poll(() => log.bytes().toString()).toBe('first line\nsecond line\n');
  await runner.finish(work, { logSize: 23, logSha256: sha256('first line\nsecond line\n') });
  expect((await log.ended).toString()).toBe('first line\nsecond line\n');
});

test('the end is told also of a log without a byte, and of one that ended before it was watched', async () => {
  await using server = await QueueServer.start();
  const { runner, work, topic } = await running(server);
  using early = new Watcher(server.address, ADMIN_TOKEN);
  const watched = early.log(topic);
  await early.connected();
  await runner.finish(work);
  expect((await watched.ended).length).toBe(0);
  using late = new Watcher(server.address, ADMIN_TOKEN);
  expect((await late.log(topic).ended).length).toBe(0);
});

test('over reconnects while a log grows no byte is missed and none comes twice', {
  timeout: 60_000,
}, async () => {
  await using server = await QueueServer.start();
  const { runner, work, topic } = await running(server);
  using page = new Watcher(server.address, ADMIN_TOKEN);
  const log = page.log(topic);
  const written = randomBytes(3 * 1024 * 1024);
  let cuts = 0;
  for (let at = 0; at < written.length; at += 100_000) {
    await runner.log(work, at, written.subarray(at, at + 100_000));
    if (at % 300_000 === 0) {
      await page.connected();
      page.cut();
      cuts += 1;
    }
  }
  await runner.finish(work, { logSize: written.length, logSha256: sha256(written) });
  expect(sha256(await log.ended)).toBe(sha256(written));
  expect(cuts).toBeGreaterThan(5);
});

test('a server that starts again carries a log on from where its watcher was', {
  timeout: 60_000,
}, async () => {
  using dir = tempDir();
  const before = await QueueServer.start({ dataDir: dir.path });
  const { runner, work, topic } = await running(before);
  using page = new Watcher(before.address, ADMIN_TOKEN);
  const log = page.log(topic);
  await runner.log(work, 0, 'before ');
  await expect.poll(() => log.bytes().toString()).toBe('before ');
  await before[Symbol.asyncDispose]();

  const port = Number(new URL(before.address).port);
  await using after = await QueueServer.start({ dataDir: dir.path, config: { port } });
  await runner.at(after).log(work, 7, 'after');
  await runner.at(after).finish(work, { logSize: 12, logSha256: sha256('before after') });
  expect((await log.ended).toString()).toBe('before after');
});

test('a watcher that does not acknowledge holds up neither the others nor the runner, and gets one chunk', async () => {
  await using server = await QueueServer.start();
  const { runner, work, topic } = await running(server);
  using stuck = new Watcher(server.address, ADMIN_TOKEN);
  const release = Promise.withResolvers<void>();
  const held = stuck.log(topic, { onChunk: () => release.promise });
  const pages = Array.from({ length: 5 }, () => new Watcher(server.address, ADMIN_TOKEN));
  const logs = pages.map((page) => page.log(topic));
  const written = randomBytes(4 * 1024 * 1024);
  await runner.log(work, 0, written);
  await runner.finish(work, { logSize: written.length, logSha256: sha256(written) });
  for (const log of logs) expect(sha256(await log.ended)).toBe(sha256(written));
  await expect.poll(() => held.bytes().length).toBeGreaterThan(0);
  expect(held.bytes().length).toBeLessThanOrEqual(256 * 1024);
  release.resolve();
  expect(sha256(await held.ended)).toBe(sha256(written));
  for (const page of pages) page[Symbol.dispose]();
});

test('an attempt that is lost ends its log, and the next one has its own', async () => {
  await using server = await QueueServer.start();
  const { runner, work, topic, number } = await running(server);
  using page = new Watcher(server.address, ADMIN_TOKEN);
  const log = page.log(topic);
  await runner.log(work, 0, 'as far as it came');
  await runner.twin({ sameInstance: true }).renew([]);
  expect((await log.ended).toString()).toBe('as far as it came');
  const again = await runner.take();
  const second = page.log(`log:app/${number}/test/2`);
  await runner.log(again, 0, 'again');
  await runner.finish(again, { logSize: 5, logSha256: sha256('again') });
  expect((await second.ended).toString()).toBe('again');
});

async function running(
  server: QueueServer,
): Promise<{ runner: PuppetRunner; work: Assignment; topic: string; number: number }> {
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  const work = await runner.take();
  return { runner, work, number, topic: `log:app/${number}/test/1` };
}
