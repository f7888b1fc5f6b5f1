/** Where a test may have this process die: the moments between which something is durable and something else is not yet. */
export type CrashPoint =
  /** Every transaction, just before and just after its COMMIT. */
  | 'commit'
  | 'committed'
  /** Each statement of the migrations, just before it. */
  | 'migration'
  /** A blob, before it gets its name and after. */
  | 'blob'
  | 'blob-stored'
  /** A piece of a log, before it is written, and after, before its lines are indexed. */
  | 'log'
  | 'log-written';

let armed: { point: string; left: number } | null = null;

/** `point:n`: this process kills itself when it comes to the point for the nth time. Only for tests (`REPRISE_TEST_CRASH_AT`); empty: never. */
export function armCrashPoint(setting: string): void {
  if (setting === '') return;
  const [point = '', count = '1'] = setting.split(':');
  armed = { point, left: Number(count) };
}

/** Nothing, unless a test has asked for it: then the end of the process, as the kernel or a power cut would make it. */
export function crashPoint(point: CrashPoint): void {
  if (armed === null || armed.point !== point) return;
  armed.left -= 1;
  if (armed.left <= 0) process.kill(process.pid, 'SIGKILL');
}
