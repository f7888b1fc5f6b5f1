import { once } from 'node:events';
import { expect, test } from 'vitest';
import { ENGINE } from '../rig/engine.ts';
import { Random } from '../rig/random.ts';
import { Installation } from './installation.ts';
import { breaches } from './invariants.ts';
import { SEED, times } from './size.ts';

const COMMITS = ['commit', 'committed'] as const;
/** Running logs are files beside SQLite, and records in PostgreSQL. */
const POINTS = ENGINE === 'postgres' ? COMMITS : ([...COMMITS, 'log', 'log-written'] as const);

/** Every build stores the same two blobs, so only the first ones are news. */
const FIRST = ['blob:1', 'blob-stored:1'];

/** It may die several times while it starts, and no lease is to end meanwhile: they are 15 s. */
const UNHURRIED = { REPRISE_TEST_TIME_SCALE: '10' };

test('a server that dies again and again between what is durable and what is not loses, doubles and mixes up nothing', async () => {
  await using installation = await Installation.start({ runners: 2, lines: 400, rest: 0.1, env: UNHURRIED });
  const random = new Random(SEED);
  const pushes: Promise<number>[] = [];
  for (let crash = 0; crash < times(12, 60); crash += 1) {
    const crashAt = FIRST[crash] ?? `${random.pick(POINTS)}:${1 + random.below(25)}`;
    await installation.restartServer({ wait: crash > 0, crashAt });
    const died = once(installation.rig.server.child, 'close');
    // What kills it is what it does: it is given work until it dies.
    const work = async () => {
      const pushed = installation.push({ times: 2 });
      pushes.push(pushed);
      await installation.rig.ended('faults', await pushed);
    };
    while (installation.isUp) await Promise.race([died, Promise.all([work(), work()])]);
  }
  await installation.restartServer({ wait: true });
  await Promise.all(pushes);
  const builds = await installation.settled();
  expect(builds.filter(({ status }) => status !== 'passed')).toEqual([]);
  await installation.stop();
  expect(await breaches(installation), `FAULTS_SEED=${SEED}`).toEqual([]);
});

test('deliveries that come in a burst, each three times, while the server is killed, are a build each', async () => {
  await using installation = await Installation.start({ runners: 2, lines: 10 });
  const pushes = Array.from({ length: times(60, 200) }, () => installation.push({ times: 3 }));
  for (let kill = 0; kill < times(3, 5); kill += 1) {
    await Promise.race([Promise.any(pushes.splice(kill * 10, 5)), Promise.all(pushes)]);
    await installation.restartServer();
  }
  await Promise.all(pushes);
  await installation.settled();
  expect(installation.pushes.builds.length).toBe(times(60, 200));
  await installation.stop();
  expect(await breaches(installation), `FAULTS_SEED=${SEED}`).toEqual([]);
});
