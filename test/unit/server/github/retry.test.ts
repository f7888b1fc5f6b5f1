import { retryAfterMs } from '@reprise/server/github/api.ts';
import { expect, test } from 'vitest';

const NOW = Date.UTC(2026, 0, 1);
const fault = (status: number, headers: Record<string, string> = {}) => ({ status, response: { headers } });
const after = (error: unknown, tries = 0) => retryAfterMs(error, { tries, now: NOW });

test.each([400, 401, 403, 404, 409, 422])('a plain %i is an answer: nothing is tried again', (status) => {
  expect(after(fault(status))).toBeNull();
});

test('a limit on the rate is waited for as GitHub says', () => {
  expect(after(fault(429, { 'retry-after': '90' }))).toBe(90_000);
  const reset = String(NOW / 1000 + 600);
  expect(after(fault(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }))).toBe(600_000);
});

test('a limit that does not say how long is waited for a minute, and none longer than an hour', () => {
  expect(after(fault(429))).toBe(60_000);
  expect(after(fault(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1' }))).toBe(60_000);
  expect(after(fault(429, { 'retry-after': '999999' }))).toBe(3_600_000);
});

test('whoever does not answer is asked again, after ever longer pauses up to five minutes', () => {
  expect([0, 1, 2, 20].map((tries) => after(new TypeError('fetch failed'), tries))).toEqual([
    1000, 2000, 4000, 300_000,
  ]);
  expect(after(fault(502))).toBe(1000);
});
