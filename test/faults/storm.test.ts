import { expect, test } from 'vitest';
import { Random } from '../rig/random.ts';
import { isStorm, SEED } from './size.ts';
import { Storm, type StormSize } from './storm.ts';
import { STORM_FAULTS } from './storm-faults.ts';
import { leftBehind, type Outcome, outcomeOf } from './storm-invariants.ts';

const SIZE: StormSize = isStorm
  ? { runners: 16, builds: 100, jobs: 20, faults: 100 }
  : { runners: 4, builds: 12, jobs: 10, faults: Object.keys(STORM_FAULTS).length };

test(
  'jobs of two servers are finished once each, whatever is killed and cut meanwhile, and every log is whole',
  async () => {
    await using storm = await Storm.start(SIZE, new Random(SEED));
    const began = performance.now();
    const pushed = Promise.all(Array.from({ length: SIZE.builds }, () => storm.pushes.push()));
    const story: string[] = [];
    for (const [at, name] of course(storm).entries()) {
      await storm.untilFinished(Math.floor((at * storm.jobs) / (SIZE.faults + 1)));
      story.push(name);
      await STORM_FAULTS[name]?.(storm);
    }
    await pushed;
    await storm.untilFinished(storm.jobs);
    const seconds = (performance.now() - began) / 1000;
    const outcome = await outcomeOf(storm);
    await storm.stop();
    const breaches = [...outcome.breaches, ...(await leftBehind(storm))];
    tell({ ...outcome, jobs: storm.jobs, seconds, story });
    expect(breaches, `FAULTS_SEED=${SEED}: ${story.join(', ')}`).toEqual([]);
    expect(outcome.finishedOnce).toBe(storm.jobs);
  },
  isStorm ? 1_800_000 : 180_000,
);

/** Which fault comes when: each kind before any of them comes again. */
function course({ size, random }: Storm): string[] {
  const names: string[] = [];
  let left: string[] = [];
  while (names.length < size.faults) {
    if (left.length === 0) left = Object.keys(STORM_FAULTS);
    const next = random.pick(left);
    left = left.filter((name) => name !== next);
    names.push(next);
  }
  return names;
}

/** For people: what it came to. */
function tell(o: Omit<Outcome, 'breaches'> & { jobs: number; seconds: number; story: string[] }): void {
  const kinds = Object.entries(Object.groupBy(o.story, (name) => name));
  process.stderr.write(
    `${o.finishedOnce} of ${o.jobs} jobs were finished once, in ${o.seconds.toFixed(0)} s (${(o.jobs / o.seconds).toFixed(1)} a second), ` +
      `${o.again} of them at the second attempt; ${o.rightLogs} of ${o.logs} logs have the right digest. ` +
      `${o.story.length} faults: ${kinds.map(([name, all]) => `${all?.length} × ${name}`).join(', ')}.\n`,
  );
}
