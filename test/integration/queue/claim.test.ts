import { newId } from '@reprise/server/db/id.ts';
import { claimJob } from '@reprise/server/queue/claim.ts';
import { findRunner } from '@reprise/server/runners/runner.store.ts';
import { expect, test } from 'vitest';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { QueueServer } from '../../rig/queue-server.ts';

test('16 claimers take 500 jobs, each once', { timeout: 120_000 }, async () => {
  await using server = await QueueServer.start({ timeScale: 30 });
  const runners = await Promise.all(Array.from({ length: 16 }, () => PuppetRunner.connect(server)));
  const taken: string[] = [];
  const work = runners.map(async (runner) => {
    for (;;) {
      const { status, body } = await runner.claim();
      if (status === 204) return;
      taken.push(`${body.build} ${body.job.name} ${body.attemptNumber}`);
      expect((await runner.finish(body)).status).toBe(200);
    }
  });
  const jobs = Array.from({ length: 10 }, (_, at) => ({ name: `job-${at}` }));
  for (let builds = 0; builds < 50; builds += 1) await server.build(...jobs);
  await Promise.all(work);
  expect(taken.length).toBe(500);
  expect(new Set(taken).size).toBe(500);
  const builds = await server.services.db.selectFrom('builds').select('status').execute();
  expect(builds.map(({ status }) => status)).toEqual(builds.map(() => 'passed'));
});

test('jobs are taken oldest first, and a job that needs another after it', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  await server.build({ name: 'test' }, { name: 'package', needs: ['test'] }, { name: 'lint' });
  await server.build({ name: 'second' });
  const order = [];
  for (let jobs = 0; jobs < 4; jobs += 1) {
    const work = await runner.take();
    order.push(work.job.name);
    await runner.finish(work);
  }
  expect(order).toEqual(['test', 'package', 'lint', 'second']);
});

test('a job begins when its claim has its turn to write, not when it began to wait for that', async () => {
  await using server = await QueueServer.start();
  const { name, instance } = await PuppetRunner.connect(server);
  await server.build({ name: 'test' });
  const { db, now, config } = server.services;
  const runner = await findRunner(db, name);
  const writing = Promise.withResolvers<void>();
  const written = Promise.withResolvers<void>();
  const other = db.transaction().execute(() => {
    writing.resolve();
    return written.promise;
  });
  await writing.promise;
  const o = { now, leaseMs: config.times.reassignMs };
  const taken = claimJob(db, runner?.id ?? '', { instance, claimId: newId() }, o);
  server.clock.advance(60_000);
  const turn = now();
  written.resolve();
  await Promise.all([other, taken]);
  const { claimed_at } = await db.selectFrom('attempts').select('claimed_at').executeTakeFirstOrThrow();
  expect(claimed_at).toBeGreaterThanOrEqual(turn);
});

test('a runner takes only what its labels allow, past older jobs of others', async () => {
  await using server = await QueueServer.start();
  const plain = await PuppetRunner.connect(server, { labels: ['linux'] });
  const deploying = await PuppetRunner.connect(server, { labels: ['linux', 'deploy', 'gpu'] });
  await server.build({ name: 'learn', runsOn: ['gpu', 'linux'] }, { name: 'test' });
  expect((await plain.take()).job.name).toBe('test');
  expect((await deploying.take()).job.name).toBe('learn');
});

test('waiting claims are answered first come, first served, as soon as there is a job', async () => {
  await using server = await QueueServer.start();
  const runners = [];
  for (let count = 0; count < 4; count += 1) runners.push(await PuppetRunner.connect(server));
  const order: string[] = [];
  const claims = [];
  for (const runner of runners) {
    claims.push(runner.take().then(({ job }) => order.push(`${runner.name} ${job.name}`)));
    await expect.poll(() => server.services.queue.waiting).toBe(claims.length);
  }
  await server.build({ name: 'a' }, { name: 'b' }, { name: 'c' }, { name: 'd' });
  await Promise.all(claims);
  expect(order.toSorted()).toEqual(runners.map(({ name }, at) => `${name} ${'abcd'[at]}`).toSorted());
});

test('a claim without work is answered 204 after its wait, and one whose sender left takes nothing', async () => {
  await using server = await QueueServer.start({ timeScale: 300 });
  const runner = await PuppetRunner.connect(server);
  const leaving = new AbortController();
  const left = runner.claim(undefined, leaving.signal).catch(() => 'left');
  await expect.poll(() => server.services.queue.waiting).toBe(1);
  leaving.abort();
  expect(await left).toBe('left');
  await expect.poll(() => server.services.queue.waiting).toBe(0);
  expect(await runner.claim()).toEqual({ status: 204, body: null });
  const number = await server.build({ name: 'test' });
  expect((await server.state(number)).attempts).toEqual([]);
});

test('a draining runner finishes what it has and takes no more, until it may again', async () => {
  await using server = await QueueServer.start({ timeScale: 300 });
  const runner = await PuppetRunner.connect(server);
  await server.build({ name: 'one' }, { name: 'two' });
  const work = await runner.take();
  const drained = await server.admin('PATCH', `/api/runners/${runner.name}`, { draining: true });
  expect(drained).toMatchObject({ status: 200, body: { draining: true, running: 1 } });
  expect((await runner.claim()).status).toBe(204);
  expect((await runner.finish(work)).status).toBe(200);
  await server.admin('PATCH', `/api/runners/${runner.name}`, { draining: false });
  expect((await runner.take()).job.name).toBe('two');
});

test('when the server stops, waiting runners are sent away at once', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const [claim, renew] = [runner.claim(), runner.renew([], { immediate: false })];
  await expect.poll(() => server.services.queue.waiting).toBe(1);
  await expect.poll(() => server.isStanding(runner.name)).toBe(true);
  await server.services.queue.stop();
  expect((await claim).status).toBe(204);
  expect((await renew).status).toBe(200);
  expect((await runner.claim()).status).toBe(503);
  expect((await runner.renew([])).status).toBe(503);
});
