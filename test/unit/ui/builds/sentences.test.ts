import type { Job } from '@reprise/server/api.ts';
import { canRetry, sentence, whyNoLog, whyOfBuild } from '@reprise/ui/builds/sentences.ts';
import { expect, test } from 'vitest';

test('what the server says in passing becomes a sentence', () => {
  expect(sentence('no runner has the label gpu')).toBe('No runner has the label gpu.');
  expect(sentence('It ended.')).toBe('It ended.');
  expect(sentence('  ')).toBe('');
});

test('a build that only waits says what for', () => {
  const job = { name: 'test' } as Job;
  expect(whyOfBuild({ status: 'queued', why: '', jobs: [] })).toMatch(/pipeline file/);
  expect(whyOfBuild({ status: 'queued', why: '', jobs: [job] })).toMatch(/runner/);
  expect(whyOfBuild({ status: 'queued', why: 'the only runner is busy', jobs: [job] })).toBe(
    'The only runner is busy.',
  );
  expect(whyOfBuild({ status: 'passed', why: '', jobs: [job] })).toBe('');
});

test.each<[Job['status'], string, string]>([
  ['queued', 'waits for lint and test', 'Not begun: waits for lint and test.'],
  ['queued', '', 'A runner takes it in a moment; its log begins then.'],
  ['blocked', 'waits for approval', 'It waits for approval: once somebody has said yes it is queued.'],
  ['skipped', 'test failed', 'Skipped because test failed.'],
  ['skipped', '', 'Skipped.'],
  ['cancelled', 'cancelled by ada', 'Cancelled by ada.'],
])('a job without a log says why: %s, %s', (status, why, words) => {
  expect(whyNoLog({ status, why })).toBe(words);
});

function job(name: string, status: Job['status'], needs: string[] = []): Job {
  const times = { queuedAt: '', startedAt: null, finishedAt: null };
  const step = { name: 's', status, exitCode: null, startedAt: null, finishedAt: null, logOffset: null };
  const attempts = { runner: null, attempt: 1, attempts: [] };
  return { name, status, needs, ...attempts, why: '', ...times, logSize: 0, steps: [step] };
}

test('only a job that ended without passing, after all it needs has passed, can be tried again', () => {
  const jobs = [job('lint', 'passed'), job('test', 'failed'), job('package', 'skipped', ['lint', 'test'])];
  expect(jobs.map((one) => canRetry(one, jobs))).toEqual([false, true, false]);
  const open = [job('lint', 'running'), job('test', 'queued'), job('late', 'cancelled', ['lint'])];
  expect(open.map((one) => canRetry(one, open))).toEqual([false, false, false]);
});

test('a build without a plan has nothing to try again', () => {
  const unplanned = { ...job('pipeline', 'failed'), steps: [] };
  expect(canRetry(unplanned, [unplanned])).toBe(false);
  expect(canRetry(job('pipeline', 'failed'), [job('pipeline', 'failed')])).toBe(true);
});
