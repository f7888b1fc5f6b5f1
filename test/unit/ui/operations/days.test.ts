import { byDay, timeOfDay } from '@reprise/ui/operations/days.ts';
import { expect, test } from 'vitest';

/** Instants given in the zone of whoever looks. */
const at = (day: number, hour: number, minute = 0) => new Date(2026, 10, day, hour, minute).toISOString();
const now = new Date(2026, 10, 23, 0, 30).getTime();

test('what happened is told by days as the viewer has them', () => {
  const entries = [at(23, 0, 10), at(22, 23, 50), at(22, 0, 0), at(21, 23, 59), at(1, 12)].map((at) => ({
    at,
  }));
  expect(byDay(entries, now).map(({ day, items }) => [day, items.length])).toEqual([
    ['Today', 1],
    ['Yesterday', 2],
    // With or without a comma, as the runtime's tables have it.
    [expect.stringMatching(/^Saturday,? 21 November 2026$/), 1],
    [expect.stringMatching(/^Sunday,? 1 November 2026$/), 1],
  ]);
});

test('the order stays as it was given, also when a clock was set back', () => {
  const entries = [at(22, 1), at(23, 0), at(22, 23)].map((at) => ({ at }));
  const days = byDay(entries, now);
  expect(days.map(({ day }) => day)).toEqual(['Yesterday', 'Today', 'Yesterday']);
  expect(days.flatMap(({ items }) => items)).toEqual(entries);
});

test('the time of day has two digits each', () => {
  expect(timeOfDay(at(23, 9, 5))).toBe('09:05');
  expect(timeOfDay(at(23, 0, 0))).toBe('00:00');
});
