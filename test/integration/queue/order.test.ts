import { expect, test } from 'vitest';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { QueueServer } from '../../rig/queue-server.ts';

test('of a group no more run at once than its limit, in the order in which they were queued', {
  timeout: 120_000,
}, async () => {
  await using server = await QueueServer.start({ timeScale: 30 });
  const limits = { one: 1, two: 2, three: 3 };
  for (let round = 0; round < 12; round += 1) {
    for (const [group, limit] of Object.entries(limits)) {
      await server.build({ name: `${group}-job`, concurrency: { group, limit } });
    }
  }
  const order = new Map<string, number[]>();
  const runners = await Promise.all(Array.from({ length: 16 }, () => PuppetRunner.connect(server)));
  const work = runners.map(async (runner) => {
    for (;;) {
      const { status, body } = await runner.claim();
      if (status === 204) return;
      const group = body.job.concurrency?.group ?? '';
      order.set(group, [...(order.get(group) ?? []), body.build]);
      expect((await runner.finish(body)).status).toBe(200);
    }
  });
  await Promise.all(work);
  expect([...order.values()].flat().length).toBe(36);
  expect(order.get('one')).toEqual(order.get('one')?.toSorted((a, b) => a - b));
  const attempts = await server.services.db
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .select(['jobs.concurrency_group', 'attempts.claimed_at', 'attempts.finished_at'])
    .execute();
  for (const [group, limit] of Object.entries(limits)) {
    const own = attempts.filter(({ concurrency_group }) => concurrency_group === `project-app/${group}`);
    expect(mostAtOnce(own)).toBeLessThanOrEqual(limit);
  }
});

test('jobs of one build in one group run one after the other, and other jobs pass them', async () => {
  await using server = await QueueServer.start({ timeScale: 300 });
  const runner = await PuppetRunner.connect(server);
  const concurrency = { group: 'database', limit: 1 };
  await server.build({ name: 'up', concurrency }, { name: 'down', concurrency, needs: ['up'] });
  await server.build({ name: 'up', concurrency }, { name: 'lint' });
  const up = await runner.take();
  const lint = await runner.take();
  expect([up, lint].map(({ build, job }) => `${build} ${job.name}`)).toEqual(['1 up', '2 lint']);
  expect((await runner.claim()).status).toBe(204);
  await runner.finish(up);
  const down = await runner.take();
  expect(`${down.build} ${down.job.name}`).toBe('1 down');
  await runner.finish(down);
  expect((await runner.take()).build).toBe(2);
});

test('what waits for its group says which build has it', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const concurrency = { group: 'docs', limit: 1 };
  await server.build({ name: 'docs', concurrency });
  await server.build({ name: 'docs', concurrency });
  await runner.take();
  const { body } = await server.admin<{ items: { build: number; why: string }[] }>('GET', '/api/queue');
  expect(body.items.map(({ build, why }) => [build, why])).toEqual([
    [1, ''],
    [2, 'its concurrency group docs is taken by build #1'],
  ]);
});

test('more priority goes first, then who came first, over all labels', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server, { labels: ['linux', 'gpu'] });
  await server.build({ name: 'usual' }, { name: 'nightly', priority: -10 });
  await server.build({ name: 'learn', runsOn: ['gpu'], priority: 5 }, { name: 'second' });
  await server.build({ name: 'urgent', priority: 50 });
  const order = [];
  for (let jobs = 0; jobs < 5; jobs += 1) {
    const work = await runner.take();
    order.push(work.job.name);
    await runner.finish(work);
  }
  expect(order).toEqual(['urgent', 'learn', 'usual', 'second', 'nightly']);
});

/** How many of these intervals overlap, the end of one not counted with the beginning of another. */
function mostAtOnce(attempts: readonly { claimed_at: number; finished_at: number | null }[]): number {
  const changes = attempts.flatMap(({ claimed_at, finished_at }) => [
    { at: claimed_at, by: 1 },
    { at: finished_at ?? Number.POSITIVE_INFINITY, by: -1 },
  ]);
  let now = 0;
  let most = 0;
  for (const { by } of changes.toSorted((a, b) => a.at - b.at || a.by - b.by)) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}
