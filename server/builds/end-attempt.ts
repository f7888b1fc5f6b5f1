import type { FinalStatus, Status } from '@reprise/pipelines/status.ts';
import type { DeployResult } from '@reprise/runner/protocol.ts';
import type { Transaction } from 'kysely';
import type { Attempt, Database, Job } from '../db/schema.ts';
import { endDeployment } from '../deployments/end.ts';
import { judgeRunner } from '../runners/quarantine.ts';
import { settle } from './settle.ts';

/** How an attempt ended: as its runner reported, or `lost` with the runner. */
export interface Ending {
  status: 'passed' | 'failed' | 'errored' | 'cancelled' | 'lost';
  /** A sentence where it ended unusually; empty otherwise. */
  why: string;
  logSize: number;
  /** null: the log's end was never confirmed by the runner. */
  logSha256: string | null;
  toolchain?: string;
  finishSha256?: string;
  /** Of a deployment that came to an end by itself. */
  deployment?: DeployResult | null;
}

/** Lost attempts after which a job is given up: one is forgiven, a job that kills its runners is not tried for ever. */
const MOST_LOST = 2;

/**
 * Ends a running attempt once: its record, its unfinished steps, its job (final, or queued again) and its build, in one
 * transaction; or its deployment, which is never tried again. False, with nothing changed, when the attempt was over already. Wake the
 * queue after the commit.
 */
export async function endAttempt(
  trx: Transaction<Database>,
  attempt: Pick<Attempt, 'id' | 'job_id' | 'number' | 'cancel_requested'>,
  ending: Ending,
  now: number,
): Promise<boolean> {
  const status = attemptStatus(ending, attempt.cancel_requested === 1);
  const ended = await trx
    .updateTable('attempts')
    .set({
      status,
      why: ending.why,
      finished_at: now,
      log_size: ending.logSize,
      log_sha256: ending.logSha256,
      toolchain: ending.toolchain ?? null,
      finish_sha256: ending.finishSha256 ?? null,
    })
    .where('id', '=', attempt.id)
    .where('status', '=', 'running')
    .returning(['runner_id', 'claimed_at'])
    .executeTakeFirst();
  if (!ended) return false;
  await endSteps(trx, attempt.id, status, now);

  const job = await trx
    .selectFrom('jobs')
    .select(['build_id', 'deployment_id', 'lost_attempts', 'retries_left'])
    .where('id', '=', attempt.job_id)
    .executeTakeFirstOrThrow();
  const said = saysOfRunner(ending, job, attempt);
  if (said) await judgeRunner(trx, { ...ended, ...job }, { ended: said, why: ending.why, now });
  if (job.deployment_id !== null) {
    const { why, deployment = null } = ending;
    await trx
      .updateTable('jobs')
      .set({ status, why, ready: 0, finished_at: now })
      .where('id', '=', attempt.job_id)
      .execute();
    await endDeployment(trx, job.deployment_id, { status, why, result: deployment, now });
    return true;
  }
  const { again, ...next } = afterAttempt(job, { ...ending, status: ending.status }, attempt);
  const times = again
    ? { ready: 1, ready_at: now, started_at: null, finished_at: null }
    : { ready: 0, finished_at: now };
  await trx
    .updateTable('jobs')
    .set({ ...next, ...times })
    .where('id', '=', attempt.job_id)
    .execute();
  await settle(trx, job.build_id, now);
  return true;
}

/**
 * Whether an end says that the runner works, or that it does not; null: neither. A deployment errs on its hosts, and one that
 * was cancelled may have been handed back by a runner that stops.
 */
function saysOfRunner(
  { status }: Ending,
  { deployment_id }: Pick<Job, 'deployment_id'>,
  { cancel_requested }: Pick<Attempt, 'cancel_requested'>,
): 'well' | 'broken' | null {
  if (status === 'passed' || status === 'failed') return 'well';
  if (cancel_requested === 1 || status === 'cancelled') return null;
  return status === 'lost' || deployment_id === null ? 'broken' : null;
}

/** What becomes of the job when an attempt of it ends. */
export function afterAttempt(
  job: Pick<Job, 'lost_attempts' | 'retries_left'>,
  ending: Pick<Ending, 'status' | 'why'>,
  attempt: Pick<Attempt, 'number' | 'cancel_requested'>,
): { status: Status; why: string; lost_attempts: number; retries_left: number; again: boolean } {
  const cancelled = attempt.cancel_requested === 1;
  const { lost_attempts, retries_left } = job;
  const final = (status: FinalStatus, why = ending.why) => {
    return { status, why, lost_attempts, retries_left, again: false };
  };
  switch (ending.status) {
    case 'passed':
      return final('passed');
    case 'failed':
      if (retries_left === 0 || cancelled) return final('failed');
      return {
        status: 'queued',
        why: `attempt ${attempt.number} failed and is tried again`,
        lost_attempts,
        retries_left: retries_left - 1,
        again: true,
      };
    case 'errored':
    case 'cancelled':
    case 'lost': {
      if (cancelled) return final('cancelled');
      // Ended by the machine, not by the commands: a runner that stops by itself hands its attempts back the same way.
      const lost = lost_attempts + 1;
      const why =
        lost < MOST_LOST
          ? `attempt ${attempt.number} ended early and is tried again: ${ending.why}`
          : `attempt ${attempt.number} ended early too: ${ending.why}`;
      const again = lost < MOST_LOST;
      return { status: again ? 'queued' : 'errored', why, lost_attempts: lost, retries_left, again };
    }
    default:
      return ending.status satisfies never;
  }
}

/** The attempt's own status: `lost` is a way to end, not a status; `cancelled` only when somebody asked for it. */
function attemptStatus({ status }: Ending, cancelRequested: boolean): FinalStatus {
  if (status === 'passed' || status === 'failed') return status;
  return cancelRequested ? 'cancelled' : 'errored';
}

async function endSteps(trx: Transaction<Database>, attemptId: string, status: FinalStatus, now: number) {
  const steps = trx.updateTable('steps').where('attempt_id', '=', attemptId);
  await steps.set({ status: 'skipped', finished_at: null }).where('status', '=', 'queued').execute();
  await steps.set({ status, finished_at: now }).where('status', '=', 'running').execute();
}
