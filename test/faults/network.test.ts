import { setTimeout as pass } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Random } from '../rig/random.ts';
import { Installation } from './installation.ts';
import { breaches } from './invariants.ts';
import { SEED, times } from './size.ts';

test('what a runner sends takes effect once, though every third answer is lost on the way', async () => {
  await using installation = await Installation.start({ runners: 2, lines: 200, rest: 0.1 });
  const pushes = Array.from({ length: times(10, 60) }, () => installation.push());
  for (const { proxy } of installation.runners) proxy.losesAnswers = true;
  await Promise.all(pushes);
  for (const build of await installation.settled()) expect(build).toMatchObject({ status: 'passed' });
  // A build of one job has some ten answers.
  const lost = installation.runners.reduce((sum, { proxy }) => sum + proxy.lost, 0);
  expect(lost).toBeGreaterThan(times(20, 120));
  await installation.stop();
  expect(await breaches(installation)).toEqual([]);
});

test('a line that is broken for less than a lease costs no attempt', async () => {
  await using installation = await Installation.start({ runners: 1, lines: 200, rest: 1.5 });
  for (const weather of ['down', 'blackhole'] as const) {
    const number = await installation.push();
    await installation.rig.until('faults', number, ({ status }) => status === 'running');
    for (const { proxy } of installation.runners) {
      proxy.weather = weather;
      // A third of the lease of these scaled times (3 s).
      await pass(1000);
      proxy.weather = 'fair';
    }
    const build = await installation.rig.ended('faults', number);
    expect(build).toMatchObject({ status: 'passed', jobs: [{ attempt: 1 }] });
  }
  await installation.stop();
  expect(await breaches(installation)).toEqual([]);
});

test('a line that is dead for longer than a lease costs one attempt, and both never run at once', async () => {
  await using installation = await Installation.start({ runners: 2, lines: 200, rest: 0.5 });
  const number = await installation.push();
  const { jobs } = await installation.rig.until('faults', number, ({ status }) => status === 'running');
  const cut = installation.runners.find(({ name }) => name === jobs[0]?.runner);
  if (!cut) throw new Error('It runs on nobody.');
  cut.proxy.weather = 'blackhole';
  await installation.rig.until('faults', number, (build) => build.jobs[0]?.attempt === 2);
  cut.proxy.weather = 'fair';
  expect(await installation.rig.ended('faults', number)).toMatchObject({
    status: 'passed',
    jobs: [{ attempt: 2 }],
  });
  await installation.stop();
  expect(await breaches(installation)).toEqual([]);
});

test('a cancel that comes at any moment leaves one end, and what was not reached is not begun', async () => {
  await using installation = await Installation.start({ runners: 2, lines: 200, rest: 0.2 });
  const random = new Random(SEED);
  const cancelled = Array.from({ length: times(20, 200) }, async () => {
    const number = await installation.push();
    await pass(random.below(600));
    const { status } = await installation.rig.fetch(`/api/projects/faults/builds/${number}/cancel`, {
      method: 'POST',
    });
    expect([200, 202, 409]).toContain(status);
  });
  await Promise.all(cancelled);
  const ends = new Set((await installation.settled()).map(({ status }) => status));
  expect([...ends].filter((status) => status !== 'passed' && status !== 'cancelled')).toEqual([]);
  await installation.stop();
  expect(await breaches(installation), `FAULTS_SEED=${SEED}`).toEqual([]);
});
