import type { Attempt, Job } from '@reprise/server/api.ts';
import { chooseJob, jobAddress } from '@reprise/ui/builds/choose-job.ts';
import { expect, test } from 'vitest';

const NOT_ASKED = { job: null, attempt: null };

function job(
  name: string,
  status: Job['status'],
  attempts = status === 'queued' || status === 'skipped' ? 0 : 1,
): Job {
  return {
    name,
    status,
    needs: [],
    runner: null,
    attempt: attempts,
    attempts: Array.from({ length: attempts }, (_, at): Attempt => {
      const times = { startedAt: '2026-01-01T00:00:00Z', finishedAt: null };
      return { number: at + 1, status: 'failed', runner: 'r', ...times, logSize: 1, why: '' };
    }),
    why: '',
    queuedAt: '2026-01-01T00:00:00Z',
    startedAt: null,
    finishedAt: null,
    logSize: 0,
    steps: [],
  };
}

const chosen = (jobs: Job[], held: string | null = null) => chooseJob(jobs, NOT_ASKED, held)?.job.name;

test('without jobs nothing is chosen', () => {
  expect(chooseJob([], { job: 'test', attempt: null })).toBeNull();
});

test('the first job that went wrong is shown before one that runs, and that before the last that began', () => {
  expect(chosen([job('a', 'passed'), job('b', 'running'), job('c', 'errored'), job('d', 'failed')])).toBe(
    'c',
  );
  expect(chosen([job('a', 'passed'), job('b', 'running'), job('c', 'queued')])).toBe('b');
  expect(chosen([job('a', 'passed'), job('b', 'passed')])).toBe('b');
  expect(chosen([job('a', 'passed'), job('b', 'cancelled', 0), job('c', 'skipped')])).toBe('a');
});

test('while none has begun, the first in line is shown', () => {
  expect(chosen([job('a', 'queued'), job('b', 'queued')])).toBe('a');
});

test('what is shown stays while it is open, whatever happens to others', () => {
  const others = [job('a', 'failed'), job('b', 'running'), job('c', 'running')];
  expect(chosen(others, 'c')).toBe('c');
});

test('a job that passed gives way to one that went wrong or runs, and stays where there is none', () => {
  expect(chosen([job('a', 'passed'), job('b', 'running')], 'a')).toBe('b');
  expect(chosen([job('a', 'passed'), job('b', 'failed')], 'a')).toBe('b');
  expect(chosen([job('a', 'passed'), job('b', 'passed')], 'a')).toBe('a');
});

test('a job that waits gives way as soon as another begins', () => {
  expect(chosen([job('a', 'queued'), job('b', 'running')], 'a')).toBe('b');
});

test('the address wins over everything; a name that is no job is as none', () => {
  const jobs = [job('a', 'failed'), job('b', 'queued')];
  expect(chooseJob(jobs, { job: 'b', attempt: null }, 'a')).toEqual({ job: jobs[1], attempt: null });
  expect(chooseJob(jobs, { job: 'toString', attempt: null })?.job.name).toBe('a');
});

test('an attempt is chosen by the address, else the latest; an unknown one is as none', () => {
  const jobs = [job('a', 'failed', 3)];
  const number = (asked: { job: string | null; attempt: string | null }) =>
    chooseJob(jobs, asked)?.attempt?.number;
  expect(number({ job: 'a', attempt: '2' })).toBe(2);
  expect(number({ job: 'a', attempt: '9' })).toBe(3);
  expect(number({ job: 'a', attempt: '2 ' })).toBe(3);
  expect(number({ job: null, attempt: '1' })).toBe(3);
});

test('the address names an attempt only where it is not the latest', () => {
  expect(jobAddress({ name: 'test', attempt: 3 })).toBe('?job=test');
  expect(jobAddress({ name: 'test', attempt: 3 }, 3)).toBe('?job=test');
  expect(jobAddress({ name: 'test', attempt: 3 }, 1)).toBe('?job=test&attempt=1');
});
