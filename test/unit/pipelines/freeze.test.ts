import { frozen } from '@reprise/pipelines/freeze.ts';
import { expect, test } from 'vitest';

const once = { from: '2026-12-23T12:00:00.000Z', to: '2027-01-02T00:00:00.000Z', reason: 'Christmas' };
/** From Friday 15:00 to Monday 7:00. */
const weekends = { cron: '0 15 * * 5', durationMs: 64 * 3_600_000, reason: null };

test.each([
  ['2026-12-23T11:59:59.999Z', null],
  ['2026-12-23T12:00:00.000Z', '2027-01-02T00:00:00.000Z'],
  ['2027-01-01T23:59:59.999Z', '2027-01-02T00:00:00.000Z'],
  ['2027-01-02T00:00:00.000Z', null],
])('a time from 2026-12-23T12:00Z to 2027-01-02T00:00Z, at %s: %s', (at, until) => {
  expect(untilOf([once], at)).toBe(until);
});

test.each([
  ['2026-11-20T14:59:59.999Z', null],
  ['2026-11-20T15:00:00.000Z', '2026-11-23T07:00:00.000Z'],
  ['2026-11-20T15:00:00.500Z', '2026-11-23T07:00:00.000Z'],
  ['2026-11-22T12:00:00.000Z', '2026-11-23T07:00:00.000Z'],
  ['2026-11-23T06:59:59.999Z', '2026-11-23T07:00:00.000Z'],
  ['2026-11-23T07:00:00.000Z', null],
  ['2026-11-25T12:00:00.000Z', null],
])('weekends, at %s: %s', (at, until) => {
  expect(untilOf([weekends], at)).toBe(until);
});

test('of several the one that lasts longest is named, with its reason', () => {
  expect(frozen([weekends, once], Date.parse('2026-12-26T00:00Z'))).toEqual({
    until: Date.parse(once.to),
    reason: 'Christmas',
  });
});

function untilOf(windows: Parameters<typeof frozen>[0], at: string): string | null {
  const found = frozen(windows, Date.parse(at));
  return found && new Date(found.until).toISOString();
}
