import type { Attempt, Build, Job } from '@reprise/server/api.ts';

/** The job whose log is shown, and of its attempts which. */
export interface Chosen {
  job: Job;
  /** null: it has not begun. */
  attempt: Attempt | null;
}

/** What the address says: `?job=test&attempt=2`. */
export interface Asked {
  job: string | null;
  attempt: string | null;
}

/**
 * The job to show: the one asked for; else the first that went wrong, else the one that runs, else the last that began.
 * `held` is what was shown without being asked for: it stays while it is open, so that no log is taken from under who
 * reads it, and after it passed only gives way to one that went wrong or runs. null: the build has no jobs yet.
 */
export function chooseJob(jobs: readonly Job[], asked: Asked, held: string | null = null): Chosen | null {
  const named = jobs.find(({ name }) => name === asked.job);
  const job = named ?? byItself(jobs, held);
  if (!job) return null;
  const wanted = named && job.attempts.find(({ number }) => String(number) === asked.attempt);
  return { job, attempt: wanted ?? job.attempts.at(-1) ?? null };
}

/** The address that chooses a job, and an attempt unless it is the latest. */
export function jobAddress(job: Pick<Job, 'name' | 'attempt'>, attempt = job.attempt): string {
  const query = new URLSearchParams({ job: job.name });
  if (attempt !== job.attempt) query.set('attempt', String(attempt));
  return `?${query}`;
}

/** Whether a job or build said no, or could not. */
export function hasGoneWrong({ status }: Pick<Build | Job, 'status'>): boolean {
  return status === 'failed' || status === 'errored';
}

function byItself(jobs: readonly Job[], held: string | null): Job | undefined {
  const now = jobs.find(({ name }) => name === held);
  if (now && now.status !== 'passed' && now.attempt > 0) return now;
  return (
    jobs.find(hasGoneWrong) ??
    jobs.find(({ status }) => status === 'running') ??
    (now && now.attempt > 0 ? now : undefined) ??
    jobs.findLast(({ attempt }) => attempt > 0) ??
    jobs[0]
  );
}
