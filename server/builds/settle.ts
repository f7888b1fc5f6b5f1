import { combine, isFinal, type Status } from '@reprise/pipelines/status.ts';
import type { Transaction } from 'kysely';
import type { Build, Database } from '../db/schema.ts';

/** What settling looks at and may change of a job. */
export interface SettledJob {
  name: string;
  needs: string[];
  status: Status;
  why: string;
  ready: boolean;
}

/**
 * Brings a build in order after any of its jobs changed, in that change's transaction: jobs whose needs have passed become
 * ready, those whose need ended otherwise are skipped, and the build's status, sentence, times and revision follow. While
 * the build waits for approval its jobs are blocked; settling after the approval queues them.
 */
export async function settle(trx: Transaction<Database>, buildId: string, now: number): Promise<void> {
  const build = await trx
    .selectFrom('builds')
    .select([
      'status',
      'why',
      'needs_approval',
      'approved_at',
      'cancelled_by',
      'superseded_by',
      'finished_at',
    ])
    .where('id', '=', buildId)
    .executeTakeFirstOrThrow();
  const rows = await trx
    .selectFrom('jobs')
    .select(['id', 'name', 'needs', 'status', 'why', 'ready'])
    .where('build_id', '=', buildId)
    .where('deployment_id', 'is', null)
    .orderBy('position')
    .execute();
  const before = rows.map((row) => ({ ...row, needs: JSON.parse(row.needs), ready: row.ready === 1 }));
  const waits = build.needs_approval === 1 && build.approved_at === null;
  const jobs = settleJobs(before, waits);
  for (const [at, job] of jobs.entries()) {
    if (job === before[at]) continue;
    const { status, why, ready } = job;
    await trx
      .updateTable('jobs')
      .set({
        ...{ status, why, ready: ready ? 1 : 0, finished_at: isFinal(status) ? now : null },
        ...(ready && !before[at]?.ready && { ready_at: now }),
      })
      .where('id', '=', rows[at]?.id ?? '')
      .execute();
  }
  const status = buildStatus(jobs, waits) ?? build.status;
  await trx
    .updateTable('builds')
    .set((eb) => ({
      status,
      why: buildWhy(status, jobs, build),
      finished_at: isFinal(status) ? (build.finished_at ?? now) : null,
      revision: eb('revision', '+', 1),
    }))
    .where('id', '=', buildId)
    .execute();
}

/**
 * The jobs as they must be, in the same order; a job that is in order already is the same object. Expects every job after
 * those it needs, as a plan lists them.
 */
export function settleJobs<J extends SettledJob>(jobs: readonly J[], waitsForApproval: boolean): J[] {
  const settled = new Map<string, J>();
  for (const job of jobs) {
    const next = { ...job, ...settleJob(job, settled, waitsForApproval) };
    const same = next.status === job.status && next.why === job.why && next.ready === job.ready;
    settled.set(job.name, same ? job : next);
  }
  return [...settled.values()];
}

function settleJob(
  job: SettledJob,
  settled: ReadonlyMap<string, SettledJob>,
  waitsForApproval: boolean,
): Partial<SettledJob> {
  if (job.status !== 'queued' && job.status !== 'blocked') return { ready: false };
  const needs = job.needs.map((name) => settled.get(name)).filter((need) => need !== undefined);
  const obstacle = needs.find(({ status }) => isFinal(status) && status !== 'passed');
  if (obstacle) return { status: 'skipped', ready: false, why: `${obstacle.name} ${ENDED[obstacle.status]}` };
  if (waitsForApproval) return { status: 'blocked', ready: false, why: 'waits for approval' };
  const missing = needs.filter(({ status }) => status !== 'passed').map(({ name }) => name);
  if (missing.length > 0)
    return { status: 'queued', ready: false, why: `waits for ${missing.join(' and ')}` };
  return { status: 'queued', ready: true, why: job.ready ? job.why : '' };
}

/** null: there are no jobs to tell from. */
function buildStatus(jobs: readonly SettledJob[], waitsForApproval: boolean): Status | null {
  if (jobs.length === 0) return null;
  const combined = combine(jobs.map(({ status }) => status));
  return waitsForApproval && !isFinal(combined) ? 'blocked' : combined;
}

function buildWhy(
  status: Status,
  jobs: readonly SettledJob[],
  build: Pick<Build, 'status' | 'why' | 'cancelled_by' | 'superseded_by'>,
): string {
  if (status === 'cancelled' && whyEnded(build)) return whyEnded(build);
  if (status === 'blocked') return build.status === 'blocked' && build.why ? build.why : 'waits for approval';
  if (!isFinal(status) || status === 'passed') return '';
  const cause = jobs.find((job) => job.status === status);
  if (!cause) return build.why;
  return `job ${cause.name} ${ENDED[status]}${cause.why ? `: ${cause.why}` : ''}`;
}

/** The sentence for what was ended before it ended by itself; empty where nobody did. */
export function whyEnded(o: { cancelled_by?: string | null; superseded_by?: number | null }): string {
  if (o.cancelled_by) return `cancelled by ${o.cancelled_by}`;
  return o.superseded_by ? `superseded by #${o.superseded_by}` : '';
}

const ENDED: Record<Status, string> = {
  queued: 'is queued',
  blocked: 'is blocked',
  running: 'runs',
  passed: 'passed',
  failed: 'failed',
  errored: 'errored',
  cancelled: 'was cancelled',
  skipped: 'was skipped',
};
