/**
 * The statuses of builds, jobs, attempts and steps, and how they combine.
 *
 * `failed`: the user's command said no. `errored`: something of Reprise's or the machine's broke.
 * `blocked`: a person must say yes first. `skipped`: a filter or an earlier failure made it unnecessary.
 */
export const STATUSES = [
  'queued',
  'blocked',
  'running',
  'passed',
  'failed',
  'errored',
  'cancelled',
  'skipped',
] as const;

export type Status = (typeof STATUSES)[number];

/** A status that never changes again. */
export type FinalStatus = Exclude<Status, 'queued' | 'blocked' | 'running'>;

export function isFinal(status: Status): status is FinalStatus {
  return status !== 'queued' && status !== 'blocked' && status !== 'running';
}

/**
 * The status of a build from those of its jobs. Final only once every job is final; then the worst outcome wins:
 * cancelled, errored, failed, passed; skipped only when every job was skipped.
 */
export function combine(jobs: readonly Status[]): Status {
  if (jobs.every((status) => status === 'queued')) return 'queued';
  if (!jobs.every(isFinal)) return 'running';
  for (const worst of ['cancelled', 'errored', 'failed', 'passed'] as const) {
    if (jobs.includes(worst)) return worst;
  }
  return 'skipped';
}
