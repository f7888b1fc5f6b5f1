import { newId } from '@reprise/server/db/id.ts';
import { claimJob } from '@reprise/server/queue/claim.ts';
import { loseAttempt } from '@reprise/server/runners/lose.ts';
import type { RunnerAnswer } from '@reprise/server/runners/runner.api.ts';
import { findRunner } from '@reprise/server/runners/runner.store.ts';
import { expect, test } from 'vitest';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { QueueServer } from '../../rig/queue-server.ts';

const MINUTE_MS = 60_000;

async function shown(server: QueueServer, { name }: PuppetRunner): Promise<RunnerAnswer | undefined> {
  const { body } = await server.admin<{ items: RunnerAnswer[] }>('GET', '/api/runners');
  return body.items.find((runner) => runner.name === name);
}

/** Each with one job, which the runner takes and loses. */
async function loseBuilds(server: QueueServer, runner: PuppetRunner, count: number): Promise<void> {
  for (let builds = 0; builds < count; builds += 1) {
    await server.build({ name: 'test', retry: 0 });
    const work = await runner.take();
    await loseAttempt(server.services, work.attempt, { why: 'its runner was not heard of any more' });
    // Its second try must not be what the runner takes next.
    const { jobs } = await server.state(work.build);
    await server.services.db
      .updateTable('jobs')
      .set({ status: 'cancelled', ready: 0 })
      .where('id', '=', jobs[0]?.id ?? '')
      .execute();
  }
}

test('a runner that breaks attempts of three builds in a row is put aside, and a person takes it back', async () => {
  await using server = await QueueServer.start({ timeScale: 300 });
  const runner = await PuppetRunner.connect(server);
  await loseBuilds(server, runner, 2);
  expect(await shown(server, runner)).toMatchObject({ quarantine: null });
  await loseBuilds(server, runner, 1);
  expect(await shown(server, runner)).toMatchObject({
    quarantine: {
      since: expect.any(String),
      until: expect.any(String),
      why: 'attempts of 3 builds in a row broke on it, the last because its runner was not heard of any more',
    },
  });
  const number = await server.build({ name: 'test' });
  expect((await runner.claim()).status).toBe(204);
  await runner.hello();
  const { body } = await server.admin<{ jobs: { why: string }[] }>(
    'GET',
    `/api/projects/app/builds/${number}`,
  );
  expect(body.jobs[0]?.why).toBe('the only runner with linux is put aside because attempts broke on it');

  const patched = await server.admin('PATCH', `/api/runners/${runner.name}`, { quarantined: false });
  expect(patched).toMatchObject({ status: 200, body: { quarantine: null } });
  expect((await runner.take()).build).toBe(number);
  const { body: audit } = await server.admin<{ items: object[] }>('GET', '/api/audit');
  expect(audit.items[0]).toMatchObject({
    action: 'runner.change',
    detail: { quarantined: { from: true, to: false } },
  });
});

test('after a pause it is tried with one job; the pause doubles when that breaks, and ends when it passes', async () => {
  // With time as it is: the clock is moved.
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const isGivenNothing = () => givesNothing(server, runner);
  await loseBuilds(server, runner, 3);
  await server.build({ name: 'a' }, { name: 'b' });
  server.clock.advance(5 * MINUTE_MS);
  await runner.hello();
  const probe = await runner.take();
  expect(await isGivenNothing()).toBe(true);
  expect((await runner.finish(probe, { status: 'errored', why: 'the disk is full' })).status).toBe(200);
  expect(await isGivenNothing()).toBe(true);
  expect(await shown(server, runner)).toMatchObject({
    quarantine: { why: expect.stringContaining('the last because the disk is full') },
  });

  server.clock.advance(9 * MINUTE_MS);
  expect(await isGivenNothing()).toBe(true);
  server.clock.advance(MINUTE_MS);
  await runner.hello();
  expect((await runner.finish(await runner.take(), { status: 'failed' })).status).toBe(200);
  expect(await shown(server, runner)).toMatchObject({ quarantine: null });
});

/** Whether a claim of the runner comes to nothing at the moment. */
async function givesNothing({ services }: QueueServer, { name, instance }: PuppetRunner): Promise<boolean> {
  const runner = await findRunner(services.db, name);
  const o = { now: services.now, leaseMs: services.config.times.reassignMs };
  return (await claimJob(services.db, runner?.id ?? '', { instance, claimId: newId() }, o)) === 'not-for-you';
}

test('one build that breaks whatever runs it puts no runner aside, and others go on', async () => {
  await using server = await QueueServer.start({ timeScale: 300 });
  const runner = await PuppetRunner.connect(server);
  const jobs = Array.from({ length: 4 }, (_, at) => ({ name: `poison-${at}` }));
  const poison = await server.build(...jobs);
  for (let attempts = 0; attempts < 8; attempts += 1) {
    const work = await runner.take();
    await loseAttempt(server.services, work.attempt, { why: 'its runner was not heard of any more' });
  }
  expect((await server.state(poison)).build.status).toBe('errored');
  expect(await shown(server, runner)).toMatchObject({ quarantine: null });
  const next = await server.build({ name: 'test' });
  await runner.finish(await runner.take());
  expect((await server.state(next)).build.status).toBe('passed');
});

test('what a machine loses at once counts once, and a build that ends well between sets it right', async () => {
  await using server = await QueueServer.start({ timeScale: 300 });
  const runner = await PuppetRunner.connect(server);
  const works = [];
  for (let builds = 0; builds < 4; builds += 1) {
    await server.build({ name: 'test' });
    works.push(await runner.take());
  }
  for (const { attempt } of works) await loseAttempt(server.services, attempt, { why: 'the wire was cut' });
  expect(await shown(server, runner)).toMatchObject({ quarantine: null });
  // The second tries end well.
  for (let jobs = 0; jobs < 4; jobs += 1) await runner.finish(await runner.take());
  await loseBuilds(server, runner, 2);
  expect(await shown(server, runner)).toMatchObject({ quarantine: null });
});
