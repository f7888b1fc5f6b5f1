import type { Status } from '@reprise/pipelines/status.ts';
import type { Build } from '@reprise/server/api.ts';

const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'narrow' });
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** "5m ago": an instant in milliseconds as seen from `now`. */
export function ago(at: number, now: number): string {
  const seconds = Math.round((at - now) / 1000);
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return RELATIVE.format(Math.trunc(seconds / length), unit);
  }
  return Math.abs(seconds) < 10 ? 'just now' : RELATIVE.format(seconds, 'second');
}

/** "1m 20s", "3h 5m": milliseconds, never negative; below ten seconds with a tenth. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m ${whole % 60}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** "1.2 MB": bytes in decimal units, as disks and networks are sold. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), 4);
  const value = bytes / 1000 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

/** "1 build", "1,204 builds". */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

/** The first line of a commit's message. */
export function subject(message: string): string {
  return message.split('\n', 1)[0] || '(no message)';
}

export function shortSha(sha: string): string {
  return sha.slice(0, 8);
}

/** A status as the page says it. */
export const STATUS_WORDS: Record<Status, string> = {
  queued: 'Queued',
  blocked: 'Waits for a yes',
  running: 'Running',
  passed: 'Passed',
  failed: 'Failed',
  errored: 'Errored',
  cancelled: 'Cancelled',
  skipped: 'Skipped',
};

/** Whether nothing more will happen to it. */
export function isOver(status: Status): boolean {
  return status !== 'queued' && status !== 'blocked' && status !== 'running';
}

/** What makes a build, as a choice is called. */
export const TRIGGER_WORDS: Record<Build['trigger']['kind'], string> = {
  push: 'Push',
  tag: 'Tag',
  pull_request: 'Pull request',
  schedule: 'Schedule',
  manual: 'By hand',
  rebuild: 'Rebuild',
};

/** "Push by ada", "Rebuild of #12 by ada": what made a build, and who. */
export function startedBy({ trigger, rebuildOf }: Pick<Build, 'trigger' | 'rebuildOf'>): string {
  const what = rebuildOf === null ? TRIGGER_WORDS[trigger.kind] : `Rebuild of #${rebuildOf}`;
  if (trigger.by === '') return what;
  return trigger.kind === 'manual' ? `Asked for by ${trigger.by}` : `${what} by ${trigger.by}`;
}
