import { type SettledJob, settleJobs } from '@reprise/server/builds/settle.ts';
import { expect, test } from 'vitest';

test.each<[string, Partial<SettledJob>[], Partial<SettledJob>[]]>([
  ['a job without needs is ready', [{}], [{ ready: true, why: '' }]],
  [
    'a job waits for what it needs, by name',
    [{ status: 'running' }, { status: 'queued' }, { needs: ['0', '1'] }],
    [{ ready: false }, { ready: true }, { ready: false, why: 'waits for 0 and 1' }],
  ],
  [
    'a job whose needs have passed is ready',
    [{ status: 'passed' }, { needs: ['0'], why: 'waits for 0' }],
    [{ ready: false }, { ready: true, why: '' }],
  ],
  [
    'a need that did not pass skips all behind it',
    [{ status: 'failed' }, { needs: ['0'] }, { needs: ['1'] }],
    [{}, { status: 'skipped', why: '0 failed' }, { status: 'skipped', why: '1 was skipped' }],
  ],
  [
    'one need that did not pass is enough, whatever the others do',
    [{ status: 'running' }, { status: 'cancelled' }, { needs: ['0', '1'] }],
    [{}, {}, { status: 'skipped', ready: false, why: '1 was cancelled' }],
  ],
  [
    'a job that runs is not ready',
    [{ status: 'running', ready: true }],
    [{ status: 'running', ready: false }],
  ],
  [
    'why a ready job waits again is kept',
    [{ ready: true, why: 'attempt 1 failed and is tried again' }],
    [{ ready: true, why: 'attempt 1 failed and is tried again' }],
  ],
])('%s', (_title, before, after) => {
  expect(settleJobs(jobs(before), false)).toMatchObject(after);
});

test('while the build waits for approval nothing is ready, and afterwards everything is as without it', () => {
  const before = jobs([{}, { needs: ['0'] }]);
  const blocked = settleJobs(before, true);
  expect(blocked).toMatchObject([
    { status: 'blocked', ready: false, why: 'waits for approval' },
    { status: 'blocked', ready: false },
  ]);
  expect(settleJobs(blocked, false)).toEqual(settleJobs(before, false));
});

test('settling again changes nothing', () => {
  const once = settleJobs(jobs([{ status: 'failed' }, {}, { needs: ['0'] }, { needs: ['1'] }]), false);
  const twice = settleJobs(once, false);
  for (const [at, job] of twice.entries()) expect(job).toBe(once[at]);
});

function jobs(given: Partial<SettledJob>[]): SettledJob[] {
  return given.map((job, at) => ({
    name: String(at),
    needs: [],
    status: 'queued',
    why: '',
    ready: false,
    ...job,
  }));
}
