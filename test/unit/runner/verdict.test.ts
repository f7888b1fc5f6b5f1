import { duration, stopVerdict } from '@reprise/runner/verdict.ts';
import { expect, test } from 'vitest';

test.each([
  [200, '200ms'],
  [1000, '1s'],
  [90_000, '1m 30s'],
  [300_000, '5m'],
  [3_600_000, '1h'],
  [5_430_000, '1h 30m 30s'],
])('%i milliseconds are said as %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test('a job that took too long failed, one whose machine broke errored', () => {
  expect(stopVerdict({ kind: 'timed-out', afterMs: 1_200_000 })).toEqual({
    status: 'failed',
    why: 'timed out after 20m',
  });
  expect(stopVerdict({ kind: 'broken', why: 'no space' })).toEqual({ status: 'errored', why: 'no space' });
  expect(stopVerdict({ kind: 'cancelled' })).toEqual({ status: 'cancelled', why: 'cancelled' });
});
