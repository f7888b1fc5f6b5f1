import { Cron } from 'croner';
import { z } from 'zod';

const CRON_RULE = 'must be five fields such as "0 3 * * *": minute, hour, day, month, weekday';

/** Five fields in UTC that name some moment. */
export const cron = z.string({ error: CRON_RULE }).max(100, CRON_RULE).refine(isCron, CRON_RULE);

const TIMEZONE_RULE = 'must be a time zone such as Europe/Berlin, or UTC';

/** A name of the IANA time zone database. */
export const timezone = z
  .string({ error: TIMEZONE_RULE })
  .max(100, TIMEZONE_RULE)
  .regex(/^[A-Za-z][A-Za-z0-9_+/-]*$/, TIMEZONE_RULE)
  .refine(isTimezone, TIMEZONE_RULE);

/**
 * The first moment after `after` that the expression names in that time zone, in milliseconds since 1970; null when there is
 * none. A time of day that the clocks leave out is taken when they go on, one that they repeat once.
 */
export function nextTime(expression: string, after: number, zone = 'UTC'): number | null {
  return new Cron(expression, { paused: true, timezone: zone }).nextRun(new Date(after))?.getTime() ?? null;
}

/** The last moment at or before `at` that the expression names, in milliseconds since 1970; null when there is none. */
export function lastTime(expression: string, at: number): number | null {
  // croner looks for whole seconds strictly before its reference.
  const reference = new Date(Math.floor(at / 1000) * 1000 + 1000);
  const [last] = new Cron(expression, { paused: true, timezone: 'UTC' }).previousRuns(1, reference);
  return last?.getTime() ?? null;
}

/** croner also reads seconds and years; the language has the five fields that everybody knows. */
function isCron(value: string): boolean {
  if (value.trim().split(/\s+/).length !== 5) return false;
  try {
    return new Cron(value, { paused: true, timezone: 'UTC' }).nextRun() !== null;
  } catch {
    return false;
  }
}

function isTimezone(value: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
    return true;
  } catch {
    return false;
  }
}
