import { setTimeout as pass } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Random } from '../rig/random.ts';
import { type FaultyRunner, Installation } from './installation.ts';
import { breaches } from './invariants.ts';
import { isSoak, SEED, times } from './size.ts';

/** One thing that goes wrong; resolves when it is over. */
type Fault = (installation: Installation, runner: FaultyRunner) => Promise<void>;

const FAULTS: Record<string, Fault> = {
  'server killed': (installation) => installation.restartServer(),
  'runner killed': (installation, runner) => installation.restartRunner(runner),
  'runner asleep': async (_, { process }) => {
    process.child.kill('SIGSTOP');
    await pass(1500);
    process.child.kill('SIGCONT');
  },
  'line cut': async (_, { proxy }) => proxy.cut(),
  'line down': async (_, { proxy }) => {
    proxy.weather = 'down';
    await pass(800);
    proxy.weather = 'fair';
  },
  'line dead': async (_, { proxy }) => {
    proxy.weather = 'blackhole';
    await pass(800);
    proxy.weather = 'fair';
  },
  'answers lost': async (_, { proxy }) => {
    proxy.losesAnswers = true;
    await pass(800);
    proxy.losesAnswers = false;
  },
};

test(
  'whatever goes wrong, one thing after the other, every build comes to its end once',
  async () => {
    await using installation = await Installation.start({ runners: 2, lines: 300, rest: 0.2 });
    const random = new Random(SEED);
    const story: string[] = [];
    const pushes: Promise<number>[] = [];
    for (let fault = 0; fault < times(15, 200); fault += 1) {
      for (let more = 0; more < times(2, 3); more += 1)
        pushes.push(installation.push({ times: 1 + random.below(3) }));
      await pass(random.below(times(400, 4000)));
      const name = random.pick(Object.keys(FAULTS));
      const runner = random.pick(installation.runners);
      story.push(`${name} (${runner.name})`);
      await FAULTS[name]?.(installation, runner);
    }
    await Promise.all(pushes);
    const builds = await installation.settled();
    // Who loses two attempts to runners that die is given up, and says so.
    const strange = builds.filter(
      ({ status, jobs }) => status !== 'passed' && !(status === 'errored' && jobs[0]?.attempt === 2),
    );
    expect(strange, story.join(', ')).toEqual([]);
    await installation.stop();
    expect(await breaches(installation), `FAULTS_SEED=${SEED}: ${story.join(', ')}`).toEqual([]);
  },
  isSoak ? 3_600_000 : 120_000,
);
