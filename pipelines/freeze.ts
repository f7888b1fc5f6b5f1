import { lastTime } from './cron.ts';
import type { FreezeWindow } from './model.ts';

/**
 * Whether nothing may go to an environment at a moment (milliseconds since 1970), because one of its windows is open: until
 * when the longest of them lasts, and why. Null when none is. A window holds its first moment and not its last.
 */
export function frozen(
  windows: readonly FreezeWindow[],
  at: number,
): { until: number; reason: string | null } | null {
  const open = windows.flatMap((window) => {
    const { from, until } = around(window, at);
    return from <= at && at < until ? [{ until, reason: window.reason }] : [];
  });
  return open.toSorted((a, b) => b.until - a.until)[0] ?? null;
}

function around(window: FreezeWindow, at: number): { from: number; until: number } {
  if ('from' in window) return { from: Date.parse(window.from), until: Date.parse(window.to) };
  const from = lastTime(window.cron, at) ?? Number.NEGATIVE_INFINITY;
  return { from, until: from + window.durationMs };
}
