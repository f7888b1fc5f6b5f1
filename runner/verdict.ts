import type { Finish } from './protocol.ts';

/** How a job ended; `why` is a sentence unless it passed. */
export type Verdict = Pick<Finish, 'status' | 'why'>;

/** Why a job is being ended before its steps are: the reason of its signal. */
export type Stop =
  | { kind: 'cancelled' }
  | { kind: 'timed-out'; afterMs: number }
  /** The machine cannot go on, such as a full disk. */
  | { kind: 'broken'; why: string }
  /** The attempt is no longer this runner's: nothing is reported. */
  | { kind: 'abandoned'; why: string };

export function stopVerdict(stop: Stop): Verdict {
  switch (stop.kind) {
    case 'cancelled':
      return { status: 'cancelled', why: 'cancelled' };
    case 'timed-out':
      return { status: 'failed', why: `timed out after ${duration(stop.afterMs)}` };
    case 'broken':
    case 'abandoned':
      return { status: 'errored', why: stop.why };
    default:
      return stop satisfies never;
  }
}

/** As people write it in the pipeline file: `90s`, `5m`, `2h`, `1h 30m`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'm'],
    [seconds % 60, 's'],
  ];
  return parts
    .filter(([amount]) => amount !== 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(' ');
}
