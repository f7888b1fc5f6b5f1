import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LIBFAKETIME } from '../rig/faketime.ts';
import { tempDir } from '../rig/temp.ts';
import { Installation } from './installation.ts';
import { breaches } from './invariants.ts';

test('a server whose clock is set forth and back loses no attempt, and nothing ends before it began', async () => {
  using dir = tempDir();
  const clock = dir.join('clock');
  writeFileSync(clock, '+0');
  await using installation = await Installation.start({
    runners: 2,
    lines: 200,
    rest: 1,
    env: {
      LD_PRELOAD: LIBFAKETIME,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  });
  for (const setTo of ['+3600', '-600', '+0']) {
    const numbers = [await installation.push(), await installation.push()];
    for (const number of numbers)
      await installation.rig.until('faults', number, ({ status }) => status === 'running');
    writeFileSync(clock, setTo);
    for (const number of numbers) {
      const build = await installation.rig.ended('faults', number);
      expect(build, setTo).toMatchObject({ status: 'passed', jobs: [{ attempt: 1 }] });
      const [job] = build.jobs;
      for (const { startedAt, finishedAt } of [
        build,
        job,
        ...(job?.attempts ?? []),
        ...(job?.steps ?? []),
      ].filter((part) => part !== undefined))
        expect(Date.parse(finishedAt ?? ''), setTo).toBeGreaterThanOrEqual(Date.parse(startedAt ?? ''));
    }
  }
  await installation.stop();
  expect(await breaches(installation)).toEqual([]);
});
