import { setTimeout as pass } from 'node:timers/promises';
import type { Build } from '@reprise/server/api.ts';
import { expect, test } from 'vitest';
import { Cluster } from '../rig/cluster.ts';
import { LIBFAKETIME } from '../rig/faketime.ts';
import { PuppetRunner } from '../rig/puppet-runner.ts';

/** A lease lasts 15 s, and each server sweeps every half second. */
const TIME_SCALE = 10;

test('a server whose clock is wrong by more than a lease takes no attempt for lost, and says so', async () => {
  await using cluster = await Cluster.start(2, { REPRISE_TEST_TIME_SCALE: String(TIME_SCALE) });
  const pipeline = { version: 1, jobs: { test: { steps: [{ run: 'true' }] } } };
  await cluster.project('shop', { '.reprise.yml': JSON.stringify(pipeline) });
  const [right, wrong] = cluster.servers;
  if (!right || !wrong) throw new Error('There are two servers.');
  const runner = await PuppetRunner.connect({
    address: right.address,
    admin: async (method, path, body) => ({
      status: 200,
      body: await cluster.api(method, path, body, right.address),
    }),
  });
  for (const clock of ['+180s', '-180s']) {
    await wrong.process.stop();
    await cluster.startServer(1, {
      LD_PRELOAD: LIBFAKETIME,
      FAKETIME: clock,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    });
    await wrong.process.line(/this machine's clock is not the database's/);
    const number = await cluster.build('shop');
    const work = await runner.take();
    // Several sweeps of both.
    await pass(2_500);
    expect((await runner.renew([work], { immediate: true })).status).toBe(200);
    expect((await runner.finish(work)).status).toBe(200);
    const path = `/api/projects/shop/builds/${number}`;
    const build = await cluster.api<Build>('GET', path, undefined, wrong.address);
    expect(build, clock).toMatchObject({ status: 'passed', jobs: [{ attempt: 1 }] });
    // What is recorded through it has the time of all.
    const again = await cluster.api<Build>('POST', `${path}/rebuild`, { reason: 'When?' }, wrong.address);
    expect(Math.abs(Date.parse(again.queuedAt) - Date.now()), clock).toBeLessThan(30_000);
    await cluster.api('POST', `/api/projects/shop/builds/${again.number}/cancel`, {}, right.address);
  }
});
