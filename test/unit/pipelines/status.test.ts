import { combine, isFinal, STATUSES, type Status } from '@reprise/pipelines/status.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

test.each<[Status[], Status]>([
  [['queued', 'queued'], 'queued'],
  [['passed', 'queued'], 'running'],
  [['failed', 'running'], 'running'],
  [['passed', 'blocked'], 'running'],
  [['passed', 'passed'], 'passed'],
  [['passed', 'skipped'], 'passed'],
  [['failed', 'skipped'], 'failed'],
  [['failed', 'errored'], 'errored'],
  [['failed', 'cancelled', 'errored'], 'cancelled'],
  [['skipped', 'skipped'], 'skipped'],
])('jobs %j make a build %s', (jobs, build) => {
  expect(combine(jobs)).toBe(build);
});

test('a build is over exactly when all its jobs are', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...STATUSES), { minLength: 1 }), (jobs) => {
      expect(isFinal(combine(jobs))).toBe(jobs.every(isFinal));
    }),
  );
});
