import { nextTime } from '@reprise/pipelines/cron.ts';
import { expect, test } from 'vitest';

test.each([
  ['in UTC', '0 3 * * *', '2026-11-23T02:59:59Z', undefined, '2026-11-23T03:00:00.000Z'],
  ['after the moment itself', '0 3 * * *', '2026-11-23T03:00:00Z', undefined, '2026-11-24T03:00:00.000Z'],
  ['by the clock of a zone', '0 3 * * *', '2026-07-01T12:00Z', 'Europe/Berlin', '2026-07-02T01:00:00.000Z'],
  ['when clocks go on', '30 2 * * *', '2026-03-28T12:00Z', 'Europe/Berlin', '2026-03-29T01:00:00.000Z'],
  ['when clocks go back', '30 2 * * *', '2026-10-24T12:00Z', 'Europe/Berlin', '2026-10-25T00:30:00.000Z'],
  ['and then once', '30 2 * * *', '2026-10-25T00:30:00Z', 'Europe/Berlin', '2026-10-26T01:30:00.000Z'],
])('the next time %s', (_, expression, after, zone, expected) => {
  expect(new Date(nextTime(expression, Date.parse(after), zone) ?? 0).toISOString()).toBe(expected);
});
