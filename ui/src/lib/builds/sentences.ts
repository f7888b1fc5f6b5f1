import type { Attempt, Build, Job } from '@reprise/server/api.ts';
import { isOver } from '../words.ts';

/** The server's "job test failed: exit code 1" as a sentence: with a capital and a full stop. */
export function sentence(why: string): string {
  const text = stopped(why);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Why a build is as it is; empty where its status says everything. */
export function whyOfBuild({ status, why, jobs }: Pick<Build, 'status' | 'why' | 'jobs'>): string {
  // What a blocked build waits for is said beside the button that lets it run.
  if (status === 'blocked') return '';
  if (why !== '') return sentence(why);
  if (status === 'queued')
    return jobs.length === 0
      ? 'Its commit is being fetched and its pipeline file read.'
      : 'A runner takes it in a moment.';
  return '';
}

/** Why a job has nothing to read: it waits, was passed over, or ended before it began. */
export function whyNoLog({ status, why }: Pick<Job, 'status' | 'why'>): string {
  if (status === 'queued' && why === '') return 'A runner takes it in a moment; its log begins then.';
  if (status === 'blocked')
    return `It ${why || 'waits for approval'}: once somebody has said yes it is queued.`;
  if (status === 'queued') return `Not begun: ${stopped(why)}`;
  if (status === 'skipped') return `Skipped${why ? ` because ${stopped(why)}` : '.'}`;
  return why === '' ? 'It ended before it began, so it has no log.' : sentence(why);
}

/** How an attempt ended, as a choice among attempts: "2: failed, exit code 1". */
export function attemptWords({ number, status, why }: Pick<Attempt, 'number' | 'status' | 'why'>): string {
  return `${number}: ${status}${why ? `, ${why}` : ''}`;
}

/** Whether asking for another attempt of a job can be granted: it ended without passing, after all it needs has passed. */
export function canRetry(job: Job, jobs: readonly Job[]): boolean {
  if (!isOver(job.status) || job.status === 'passed') return false;
  // The one job of a build without a plan, which only a rebuild gives one.
  if (job.name === 'pipeline' && jobs.length === 1 && job.steps.length === 0) return false;
  return job.needs.every((need) => jobs.find(({ name }) => name === need)?.status === 'passed');
}

/** Whether somebody must say yes to a fork's commit before anything of it runs. */
export function waitsForYes({ status, jobs }: Pick<Build, 'status' | 'jobs'>): boolean {
  return status === 'blocked' || jobs.some((job) => job.status === 'blocked');
}

/** With a full stop; where it goes on from other words it keeps its small letter, which may be a job's name. */
function stopped(why: string): string {
  const text = why.trim();
  return text === '' || /[.!?…:]$/.test(text) ? text : `${text}.`;
}
