import { expect, test } from 'vitest';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { ADMIN_TOKEN, QueueServer } from '../../rig/queue-server.ts';
import { Watcher } from '../../rig/watcher.ts';

test('who watches a build hears of each of its changes', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  using page = await connect(server);
  const topic = `build:app/${number}`;
  const changes = page.changes(topic);
  const { ok, revision = 0 } = await page.watch(topic);
  expect(ok).toBe(true);
  const work = await runner.take();
  await expect.poll(() => changes.length).toBe(1);
  await runner.finish(work);
  await expect.poll(() => changes.length).toBe(2);
  expect(changes[0]).toBeGreaterThan(revision);
  expect(changes[1]).toBeGreaterThan(changes[0] ?? 0);
});

test('many changes in one moment are told as few', async () => {
  await using server = await QueueServer.start();
  using page = await connect(server);
  const changes = page.changes('queue');
  await page.watch('queue');
  for (let count = 0; count < 1000; count += 1) server.services.live.changed('queue');
  server.services.live.changed('runners');
  const runners = page.changes('runners');
  await page.watch('runners');
  server.services.live.changed('runners');
  await expect.poll(() => runners.length).toBe(1);
  expect(changes.length).toBeLessThanOrEqual(2);
  expect(changes.at(-1)).toBeLessThan(runners[0] ?? 0);
});

test('who watches the runners hears when one falls silent', async () => {
  await using server = await QueueServer.start({ timeScale: 100 });
  using page = await connect(server);
  await PuppetRunner.connect(server);
  const seen: boolean[] = [];
  page.socket.on('changed', async () => {
    const { body } = await server.admin<{ items: { connected: boolean }[] }>('GET', '/api/runners');
    seen.push(...body.items.map(({ connected }) => connected));
  });
  await page.watch('runners');
  await expect.poll(() => seen).toContain(false);
});

test('after unwatch nothing more is told', async () => {
  await using server = await QueueServer.start();
  using page = await connect(server);
  const changes = page.changes('queue');
  const others = page.changes('runners');
  await page.watch('queue');
  await page.watch('runners');
  await page.socket.emitWithAck('unwatch', { topic: 'queue' });
  server.services.live.changed('queue', 'runners');
  await expect.poll(() => others.length).toBe(1);
  expect(changes).toEqual([]);
});

test('what does not exist cannot be watched', async () => {
  await using server = await QueueServer.start();
  const number = await server.build({ name: 'test' });
  using page = await connect(server);
  const wrong = [
    'project:none',
    'build:app/99',
    'build:none/1',
    `log:app/${number}/test/1`,
    `log:app/${number}/other/1`,
    'build:app/../1',
    'secrets',
    '',
  ];
  for (const topic of wrong) expect(await page.watch(topic), topic).toMatchObject({ ok: false });
  for (const topic of ['projects', 'project:app', `build:app/${number}`, 'deliveries'])
    expect(await page.watch(topic), topic).toMatchObject({ ok: true });
});

test('without a known token, or from the page of another site, no socket is opened', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  for (const token of ['', 'wrong', runner.token]) {
    using stranger = new Watcher(server.address, token);
    await expect(stranger.connected(), token).rejects.toThrow('unauthenticated');
  }
  using foreign = new Watcher(server.address, ADMIN_TOKEN, { origin: 'https://evil.example' });
  await expect(foreign.connected()).rejects.toThrow();
  using own = new Watcher(server.address, ADMIN_TOKEN, { origin: server.address });
  await own.connected();
});

test('malformed messages are answered or ignored, and a flood ends the connection only of its sender', async () => {
  await using server = await QueueServer.start();
  using page = await connect(server);
  using flooder = await connect(server);
  for (const ask of [
    null,
    7,
    [],
    {},
    { topic: 7 },
    { topic: 'queue', offset: -1 },
    { topic: 'x'.repeat(999) },
  ])
    expect(await flooder.socket.emitWithAck('watch', ask)).toMatchObject({ ok: false });
  flooder.socket.emit('watch');
  flooder.socket.emit('no such event', { a: 1 }, Buffer.alloc(10));
  const ended = new Promise((resolve) => flooder.socket.once('disconnect', resolve));
  for (let count = 0; count < 500; count += 1) flooder.socket.emit('watch', { topic: 'queue' });
  await ended;
  expect(await page.watch('queue')).toMatchObject({ ok: true });
});

test('one socket watches a bounded number of topics', async () => {
  await using server = await QueueServer.start();
  using page = await connect(server);
  const builds = [];
  for (let count = 0; count < 70; count += 1) builds.push(await server.build({ name: 'test' }));
  const answers = [];
  for (const number of builds) answers.push(await page.watch(`build:app/${number}`));
  expect(answers.filter(({ ok }) => ok).length).toBe(64);
  expect(answers.at(-1)?.why).toContain('64');
});

async function connect(server: QueueServer): Promise<Watcher> {
  const watcher = new Watcher(server.address, ADMIN_TOKEN);
  await watcher.connected();
  return watcher;
}
