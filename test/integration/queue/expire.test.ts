import { expireJobs } from '@reprise/server/queue/expire.ts';
import { expect, test } from 'vitest';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { QueueServer } from '../../rig/queue-server.ts';
import { tempDir } from '../../rig/temp.ts';

const DAY_MS = 24 * 3_600_000;

test('a job that nobody took for a day has errored, with what it waited for', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const first = await server.build({ name: 'test' }, { name: 'learn', runsOn: ['gpu'] });
  const work = await runner.take();
  server.clock.advance(DAY_MS - 60_000);
  await runner.renew([work]);
  const later = await server.build({ name: 'learn', runsOn: ['gpu'] });
  await expireJobs(server.services);
  expect((await server.state(first)).jobs).toMatchObject([{ status: 'running' }, { status: 'queued' }]);

  server.clock.advance(60_000);
  await expireJobs(server.services);
  const why = 'no runner took it within 24h: no runner has the label gpu';
  expect((await server.state(first)).jobs).toMatchObject([
    { status: 'running' },
    { status: 'errored', ready: 0, why, finished_at: expect.any(Number) },
  ]);
  expect((await server.state(later)).jobs).toMatchObject([{ status: 'queued', ready: 1 }]);
  await runner.finish(work);
  expect((await server.state(first)).build).toMatchObject({
    status: 'errored',
    why: `job learn errored: ${why}`,
  });
});

test('the time begins when a job could begin, and again when it is tried again', async () => {
  await using server = await QueueServer.start({ config: { queueTimeoutMs: 5_400_000 } });
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test', retry: 1 }, { name: 'package', needs: ['test'] });
  const step = 5_000_000;
  const look = async () => {
    await expireJobs(server.services);
    return (await server.state(number)).jobs.map(({ status }) => status);
  };
  const first = await runner.take();
  server.clock.advance(step);
  await runner.finish(first, { status: 'failed' });
  server.clock.advance(step);
  expect(await look()).toEqual(['queued', 'queued']);
  await runner.finish(await runner.take());
  server.clock.advance(step);
  expect(await look()).toEqual(['passed', 'queued']);
  server.clock.advance(step);
  expect(await look()).toEqual(['passed', 'errored']);
  expect((await server.state(number)).build.why).toContain('no runner took it within 90m');
});

test('without a limit a job waits on', async () => {
  await using server = await QueueServer.start({ config: { queueTimeoutMs: 0 } });
  const number = await server.build({ name: 'test' });
  server.clock.advance(400 * DAY_MS);
  await expireJobs(server.services);
  expect((await server.state(number)).jobs).toMatchObject([{ status: 'queued' }]);
});

test('time in which no server was there does not count', async () => {
  using dir = tempDir();
  const first = await QueueServer.start({ dataDir: dir.path });
  const number = await first.build({ name: 'test' });
  await first.services.db
    .updateTable('jobs')
    .set({ ready_at: Date.now() - 2 * DAY_MS })
    .execute();
  await first[Symbol.asyncDispose]();
  await using again = await QueueServer.start({ dataDir: dir.path });
  await expireJobs(again.services);
  expect((await again.state(number)).jobs).toMatchObject([{ status: 'queued', ready: 1 }]);
  again.clock.advance(DAY_MS);
  await expireJobs(again.services);
  expect((await again.state(number)).jobs).toMatchObject([{ status: 'errored' }]);
});

test('what its full group holds back waits anew, until it could have begun for so long', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const concurrency = { group: 'database', limit: 1 };
  await server.build({ name: 'up', concurrency });
  const next = await server.build({ name: 'up', concurrency });
  const work = await runner.take();
  server.clock.advance(DAY_MS);
  await runner.renew([work]);
  await expireJobs(server.services);
  const job = async () => (await server.state(next)).jobs[0];
  expect(await job()).toMatchObject({ status: 'queued', ready: 1 });
  await runner.finish(work);
  server.clock.advance(DAY_MS - 60_000);
  await expireJobs(server.services);
  expect(await job()).toMatchObject({ status: 'queued', ready: 1 });
  server.clock.advance(60_000);
  await expireJobs(server.services);
  expect(await job()).toMatchObject({ status: 'errored', why: expect.stringContaining('within 24h') });
});
