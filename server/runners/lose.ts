import { endAttempt } from '../builds/end-attempt.ts';
import { afterDeployment } from '../deployments/after.ts';
import type { Services } from '../services.ts';
import { findAttempt, topicsOfAttempt } from './attempt.store.ts';

/**
 * Ends a running attempt whose runner is gone: its log stays as far as it came, its job is queued again or given up.
 * Nothing happens when it has ended meanwhile. `if` is asked again in the transaction: a renewal may have come first.
 */
export async function loseAttempt(
  services: Services,
  id: string,
  o: { why: string; expiredBy?: number },
): Promise<void> {
  const { db, logs, live, queue, now, log } = services;
  const attempt = await findAttempt(db, id);
  if (attempt?.status !== 'running') return;
  // Sealed before the transaction, which waits for nothing but the database.
  const { size, sha256 } = await logs.seal(id).catch(async (error: unknown) => {
    // A log that cannot be read must not keep its build running for ever.
    log.error({ err: error, attempt: id }, 'the log of a lost attempt could not be sealed');
    return { size: await logs.size(id).catch(() => 0), sha256: null };
  });
  const ended = await db.transaction().execute(async (trx) => {
    const { lease_expires_at, ...fresh } = await trx
      .selectFrom('attempts')
      .select(['id', 'job_id', 'number', 'cancel_requested', 'lease_expires_at'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    if (o.expiredBy !== undefined && lease_expires_at > o.expiredBy) return false;
    return endAttempt(trx, fresh, { status: 'lost', why: o.why, logSize: size, logSha256: sha256 }, now());
  });
  if (!ended) return;
  log.warn({ project: attempt.project, build: attempt.build, job: attempt.job, why: o.why }, 'attempt lost');
  if (attempt.runner_id) queue.notice(attempt.runner_id);
  queue.wake();
  live.changed(...topicsOfAttempt(attempt));
  if (attempt.deployment_id !== null) await afterDeployment(services, attempt);
}
