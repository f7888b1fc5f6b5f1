import { afterAttempt } from '@reprise/server/builds/end-attempt.ts';
import { expect, test } from 'vitest';

const FRESH = { lost_attempts: 0, retries_left: 0 };
const CALM = { number: 1, cancel_requested: 0 };
const CANCELLED = { number: 1, cancel_requested: 1 };

test.each([
  ['passed is passed', FRESH, 'passed', CALM, { status: 'passed', again: false }],
  [
    'passed is passed, also when asked to end',
    FRESH,
    'passed',
    CANCELLED,
    { status: 'passed', again: false },
  ],
  ['failed is failed', FRESH, 'failed', CALM, { status: 'failed', why: 'because', again: false }],
  [
    'failed is tried again while the file allows it',
    { ...FRESH, retries_left: 2 },
    'failed',
    CALM,
    { status: 'queued', retries_left: 1, lost_attempts: 0, again: true },
  ],
  [
    'failed is not tried again when asked to end',
    { ...FRESH, retries_left: 2 },
    'failed',
    CANCELLED,
    { status: 'failed', again: false },
  ],
  ['lost is tried again once', FRESH, 'lost', CALM, { status: 'queued', lost_attempts: 1, again: true }],
  [
    'lost twice is errored',
    { ...FRESH, lost_attempts: 1 },
    'lost',
    { ...CALM, number: 2 },
    { status: 'errored', why: 'attempt 2 ended early too: because', again: false },
  ],
  ['errored counts as lost', FRESH, 'errored', CALM, { status: 'queued', lost_attempts: 1, again: true }],
  [
    'given back by a runner that stops counts as lost',
    FRESH,
    'cancelled',
    CALM,
    { status: 'queued', lost_attempts: 1, again: true },
  ],
  ['cancelled as asked is cancelled', FRESH, 'cancelled', CANCELLED, { status: 'cancelled', again: false }],
  ['lost when asked to end is cancelled', FRESH, 'lost', CANCELLED, { status: 'cancelled', again: false }],
  [
    'errored when asked to end is cancelled',
    FRESH,
    'errored',
    CANCELLED,
    { status: 'cancelled', again: false },
  ],
] as const)('%s', (_title, job, status, attempt, expected) => {
  expect(afterAttempt(job, { status, why: 'because' }, attempt)).toMatchObject(expected);
});
