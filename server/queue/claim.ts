import { createHash } from 'node:crypto';
import type { PlannedJob } from '@reprise/pipelines/model.ts';
import type { Claim } from '@reprise/runner/protocol.ts';
import type { Kysely, Transaction } from 'kysely';
import { newId, newToken } from '../db/id.ts';
import type { Database, Runner } from '../db/schema.ts';
import { beside, takeTurns } from '../db/turns.ts';
import { isAside } from '../runners/quarantine.ts';
import { type Head, isGroupFull, readyHeads } from './heads.ts';
import type { Taken } from './line.ts';
import { RUNNING } from './literals.ts';

/** A new attempt, or the one that the same claim was given before. The tokens are in clear only here. */
export interface Claimed {
  attempt: string;
  fence: string;
  gitToken: string;
}

/**
 * Gives the first claimable job whose labels the runner has to it, with a lease, a fencing token and a token for the
 * mirror. The same `claimId` asked again gets the same attempt while that runs (with a fresh mirror token: only its hash
 * was kept), and nothing once it is over. Without `hasSpace` nobody is given a build's job, only deployments. `now` is asked once it
 * is this claim's turn to write: what it waited for happened before it.
 */
export async function claimJob(
  db: Kysely<Database>,
  runnerId: string,
  ask: Claim,
  { now: clock, leaseMs, hasSpace = true }: { now: () => number; leaseMs: number; hasSpace?: boolean },
): Promise<Taken<Claimed>> {
  return beside(db).execute(async (trx) => {
    await takeTurns(trx, { claims: true });
    const o = { now: clock(), leaseMs };
    const runner = await whoClaims(trx, runnerId, ask.claimId);
    if (runner?.instance !== ask.instance) return 'not-for-you';
    const { attempt, fence } = runner;
    if (attempt !== null && fence !== null) {
      const got = { attempt, fence };
      return runner.status === 'running' ? { got: await withNewGitToken(trx, got) } : 'not-for-you';
    }
    if (runner.draining || (await isPutAside(trx, runner, o))) return 'not-for-you';
    const heads = await readyHeads(trx, hasSpace ? 'all' : 'deployments');
    const first = firstFor(new Set(JSON.parse(runner.labels)), heads);
    if (first === null) return 'nothing';
    // No attempt's end changes a job that is ready: it still is when its build has waited for one.
    await takeTurns(trx, { build: first.build_id });
    return { got: await take(trx, first.seq, { runner, ask, ...o }) };
  });
}

/** One that was put aside is tried with one job at a time. */
async function isPutAside(
  trx: Transaction<Database>,
  runner: Pick<Runner, 'id' | 'broken_at' | 'aside_since' | 'aside_times'>,
  { now, leaseMs }: { now: number; leaseMs: number },
): Promise<boolean> {
  if (runner.aside_since === null) return false;
  const { running } = await trx
    .selectFrom('attempts')
    .select(({ fn }) => fn.countAll<number>().as('running'))
    .where('runner_id', '=', runner.id)
    .where('status', '=', RUNNING)
    .executeTakeFirstOrThrow();
  return isAside(runner, { running: Number(running), now, leaseMs });
}

/** The runner, with the attempt that it was given for this claim before. */
function whoClaims(trx: Transaction<Database>, runnerId: string, claimId: string) {
  return trx
    .selectFrom('runners')
    .leftJoin('attempts', (join) =>
      join.onRef('attempts.runner_id', '=', 'runners.id').on('attempts.claim_id', '=', claimId),
    )
    .select(['runners.id', 'name', 'labels', 'draining', 'runners.instance'])
    .select(['broken_at', 'aside_since', 'aside_times'])
    .select(['attempts.id as attempt', 'attempts.fence', 'attempts.status'])
    .where('runners.id', '=', runnerId)
    .executeTakeFirst();
}

async function withNewGitToken(
  trx: Transaction<Database>,
  { attempt, fence }: Pick<Claimed, 'attempt' | 'fence'>,
): Promise<Claimed> {
  const gitToken = newToken('rpg');
  await trx
    .updateTable('attempts')
    .set({ git_token_hash: hash(gitToken) })
    .where('id', '=', attempt)
    .execute();
  return { attempt, fence, gitToken };
}

/**
 * Most priority first, then the oldest, of those whose labels the runner has and whose group is not full. Claims take turns, so that
 * of a group no more run than were counted until this transaction is over.
 */
function firstFor(labels: ReadonlySet<string>, heads: readonly Head[]): Head | null {
  const fitting = heads.filter(
    (head) => !isGroupFull(head) && JSON.parse(head.runs_on).every((label: string) => labels.has(label)),
  );
  return fitting.toSorted((a, b) => b.priority - a.priority || a.seq - b.seq)[0] ?? null;
}

async function take(
  trx: Transaction<Database>,
  seq: number,
  o: { runner: { id: string; name: string }; ask: Claim; now: number; leaseMs: number },
): Promise<Claimed> {
  const { runner, ask, now } = o;
  const job = await trx
    .updateTable('jobs')
    .set((eb) => ({
      status: 'running',
      ready: 0,
      why: '',
      attempt: eb('attempt', '+', 1),
      started_at: now,
      finished_at: null,
    }))
    .where('seq', '=', seq)
    .where('ready', '=', 1)
    .returning(['id', 'build_id', 'deployment_id', 'attempt', 'spec'])
    .executeTakeFirstOrThrow();
  const claimed = { attempt: newId(), fence: newId(), gitToken: newToken('rpg') };
  await trx
    .insertInto('attempts')
    .values({
      id: claimed.attempt,
      job_id: job.id,
      number: job.attempt,
      status: 'running',
      why: '',
      runner_id: runner.id,
      runner_name: runner.name,
      instance: ask.instance,
      claim_id: ask.claimId,
      fence: claimed.fence,
      git_token_hash: hash(claimed.gitToken),
      lease_expires_at: now + o.leaseMs,
      cancel_requested: 0,
      claimed_at: now,
      log_size: 0,
    })
    .execute();
  await insertSteps(trx, claimed.attempt, job.spec);
  await markRunning(trx, job, now);
  return claimed;
}

/** The build whose job it is; or the deployment, which leaves its build as it was. */
async function markRunning(
  trx: Transaction<Database>,
  job: { build_id: string; deployment_id: string | null },
  now: number,
): Promise<void> {
  if (job.deployment_id !== null) {
    await trx
      .updateTable('deployments')
      .set({ status: 'running', why: '', started_at: now })
      .where('id', '=', job.deployment_id)
      .execute();
    return;
  }
  await trx
    .updateTable('builds')
    .set((eb) => ({
      status: 'running',
      why: '',
      started_at: eb.fn.coalesce('started_at', eb.val(now)),
      revision: eb('revision', '+', 1),
    }))
    .where('id', '=', job.build_id)
    .execute();
}

/** All of them at once, so that the page shows what is still to come. */
async function insertSteps(trx: Transaction<Database>, attempt: string, spec: string | null): Promise<void> {
  if (spec === null) throw new Error('A job without a plan was ready to be claimed.');
  const { steps }: PlannedJob = JSON.parse(spec);
  if (steps.length === 0) return;
  await trx
    .insertInto('steps')
    .values(
      steps.map(({ name }, position) => ({ attempt_id: attempt, position, name, status: 'queued' as const })),
    )
    .execute();
}

function hash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
