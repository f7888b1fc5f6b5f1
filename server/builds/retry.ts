import type { PlannedJob } from '@reprise/pipelines/model.ts';
import { isFinal } from '@reprise/pipelines/status.ts';
import type { Transaction } from 'kysely';
import type { Database, Job, Project } from '../db/schema.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { changeBuild, type Wish } from './change-build.ts';
import { settle } from './settle.ts';

/**
 * Queues an ended job that did not pass for another attempt, and with it what was skipped or cancelled because of it, before it
 * ever began. The earlier attempts and their logs stay. Refused for a job that passed, has not ended or was never planned.
 */
export async function retryJob(
  services: Services,
  project: Project,
  { job: name, ...wish }: Wish & { job: string },
): Promise<void> {
  const subject = `${project.name} #${wish.number}`;
  await changeBuild(services, project, wish, async (trx, build, at) => {
    const jobs = await trx
      .selectFrom('jobs')
      .selectAll()
      .where('build_id', '=', build.id)
      .where('deployment_id', 'is', null)
      .orderBy('position')
      .execute();
    const job = jobs.find((known) => known.name === name);
    if (!job) throw notFound(`Job ${name} of build ${subject}`);
    const obstacle =
      build.removed_at === null
        ? whyNotAgain(job, jobs)
        : 'was removed by retention: rebuild the build instead.';
    if (obstacle) throw new Refusal(409, 'conflict', `Job ${name} of ${subject} ${obstacle}`);
    for (const again of [job, ...waitingFor(job, jobs)]) await queueAgain(trx, again, at);
    await trx
      .updateTable('builds')
      .set({ cancelled_by: null, superseded_by: null })
      .where('id', '=', build.id)
      .execute();
    await settle(trx, build.id, at);
    const detail = { attempts: job.attempt, status: job.status };
    return { action: 'job.retry', subject: `${subject}, job ${name}`, detail };
  });
  services.queue.wake();
}

function whyNotAgain(job: Job, jobs: readonly Job[]): string | null {
  if (job.spec === null) return 'has no plan: rebuild the build instead.';
  if (!isFinal(job.status)) return `has not ended: it is ${job.status}.`;
  if (job.status === 'passed') return 'has passed: rebuild the build to run it again.';
  const needs: string[] = JSON.parse(job.needs);
  const missing = jobs.find(({ name, status }) => needs.includes(name) && status !== 'passed');
  return missing ? `needs ${missing.name}, which has not passed: retry that one.` : null;
}

/** Every job behind this one, near or far, that ended without an attempt. `jobs` are in the plan's order: needs first. */
function waitingFor(job: Job, jobs: readonly Job[]): Job[] {
  const behind = new Map([[job.name, job]]);
  for (const other of jobs) {
    const needs: string[] = JSON.parse(other.needs);
    const ended = other.status === 'skipped' || other.status === 'cancelled';
    if (ended && other.attempt === 0 && needs.some((need) => behind.has(need))) behind.set(other.name, other);
  }
  behind.delete(job.name);
  return [...behind.values()];
}

async function queueAgain(trx: Transaction<Database>, job: Job, now: number): Promise<void> {
  const { retry }: PlannedJob = JSON.parse(job.spec ?? '{}');
  await trx
    .updateTable('jobs')
    .set({
      status: 'queued',
      why: '',
      ready: 0,
      lost_attempts: 0,
      retries_left: retry,
      queued_at: now,
      started_at: null,
      finished_at: null,
    })
    .where('id', '=', job.id)
    .execute();
}
