import type { Build } from '@reprise/server/api.ts';
import { expect, test } from 'vitest';
import { type FaultyRunner, Installation } from './installation.ts';
import { breaches } from './invariants.ts';
import { times } from './size.ts';

const isOn = (build: Build, attempt: number) =>
  build.status === 'running' && build.jobs[0]?.attempt === attempt && build.jobs[0].runner !== null;

/** Pushes, and resolves with the runner that has begun the build. */
async function begun(installation: Installation): Promise<{ number: number; runner: FaultyRunner }> {
  const number = await installation.push();
  const build = await installation.rig.until('faults', number, (now) => isOn(now, 1));
  const runner = installation.runners.find(({ name }) => name === build.jobs[0]?.runner);
  if (!runner) throw new Error(`#${number} runs on nobody.`);
  return { number, runner };
}

test('a runner killed in its builds, again and again, costs each of them an attempt and no more', async () => {
  await using installation = await Installation.start({ runners: 2, lines: 200, rest: 0.5 });
  for (let kill = 0; kill < times(5, 20); kill += 1) {
    const { runner } = await begun(installation);
    await installation.restartRunner(runner);
  }
  for (const build of await installation.settled())
    expect(build).toMatchObject({ status: 'passed', jobs: [{ attempt: 2 }] });
  await installation.stop();
  expect(await breaches(installation)).toEqual([]);
});

test('a runner that sleeps past its lease and wakes up changes nothing: the other result stands', async () => {
  await using installation = await Installation.start({ runners: 2, lines: 200, rest: 0.5 });
  for (let sleep = 0; sleep < times(2, 10); sleep += 1) {
    const { number, runner } = await begun(installation);
    runner.process.child.kill('SIGSTOP');
    await installation.rig.until('faults', number, ({ jobs }) => jobs[0]?.attempt === 2);
    runner.process.child.kill('SIGCONT');
    const build = await installation.rig.ended('faults', number);
    expect(build).toMatchObject({
      status: 'passed',
      jobs: [
        {
          attempts: [
            { number: 1, status: 'errored' },
            { number: 2, status: 'passed' },
          ],
        },
      ],
    });
  }
  await installation.stop();
  expect(await breaches(installation)).toEqual([]);
});
