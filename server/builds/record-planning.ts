import type { Plan } from '@reprise/pipelines/model.ts';
import type { Transaction } from 'kysely';
import { newId } from '../db/id.ts';
import type { Build, Database, Project } from '../db/schema.ts';
import { placeOf } from '../queue/group.ts';
import { keepSchedules, mayChangeSchedules } from '../schedules/schedule.store.ts';
import type { Services } from '../services.ts';
import { type Planning, type PushedSchedules, planDigest } from './plan-build.ts';
import { settle } from './settle.ts';
import { type Superseded, supersede } from './supersede.ts';

type Ended = Extract<Planning, { kind: 'skipped' | 'failed' | 'errored' }>;

/**
 * Writes what planning came to, in one transaction: plan and jobs, or the build's end; and the end of the older builds that
 * it supersedes, which are returned. Null, with nothing written, where somebody cancelled the build meanwhile. Announce it,
 * and wake the queue, after it.
 */
export async function recordPlanning(
  services: Pick<Services, 'db' | 'logs' | 'mirrors' | 'now'>,
  project: Project,
  build: Pick<Build, 'id'>,
  planning: Exclude<Planning, { kind: 'missing' }>,
): Promise<Superseded[] | null> {
  const { db, logs, now } = services;
  const at = now();
  const defaultBranch = await defaultBranchFor(services, project, planning);
  const o = { project, defaultBranch, at };
  if (planning.kind === 'planned') {
    return db.transaction().execute((trx) => recordPlan(trx, build, { ...planning, ...o }));
  }
  // The log is on disk before the row that leads to it.
  const log = 'log' in planning ? await writeLog(logs, planning.log, at) : null;
  const isWritten = await db.transaction().execute((trx) => recordEnd(trx, build, { planning, log, ...o }));
  if (!isWritten && log) await logs.remove(log.attempt);
  return isWritten ? [] : null;
}

/** Asked for only where something depends on it; null: nothing does, or it is not known. */
async function defaultBranchFor(
  { db, mirrors }: Pick<Services, 'db' | 'mirrors'>,
  project: Project,
  planning: Exclude<Planning, { kind: 'missing' }>,
): Promise<string | null> {
  const pushed = 'pushed' in planning ? planning.pushed : undefined;
  const asks =
    (planning.kind === 'planned' && planning.plan.cancelSuperseded !== undefined) ||
    (pushed !== undefined && (await mayChangeSchedules(db, project.id, pushed.schedules)));
  return asks ? (project.default_branch ?? mirrors.defaultBranch(project)) : null;
}

interface About {
  project: Project;
  defaultBranch: string | null;
  at: number;
}

async function recordPlan(
  trx: Transaction<Database>,
  build: Pick<Build, 'id'>,
  o: About & Extract<Planning, { kind: 'planned' }>,
): Promise<Superseded[] | null> {
  const { project, plan, record, defaultBranch, pushed, at } = o;
  const json = JSON.stringify(plan);
  const isOurs = await take(trx, build, {
    ...record,
    plan: json,
    plan_sha256: planDigest(json),
    planned_at: at,
  });
  if (!isOurs) return null;
  await insertJobs(trx, { buildId: build.id, projectId: project.id, plan, at });
  await settle(trx, build.id, at);
  await recordSchedules(trx, pushed, o);
  const rule = plan.cancelSuperseded;
  return rule === undefined ? [] : supersede(trx, build, { project, rule, defaultBranch, now: at });
}

async function recordEnd(
  trx: Transaction<Database>,
  build: Pick<Build, 'id'>,
  o: About & { planning: Ended; log: WrittenLog | null },
): Promise<boolean> {
  const { planning, log, at } = o;
  const { kind: status, why, record } = planning;
  const isOurs = await take(trx, build, {
    ...record,
    status,
    why,
    planned_at: at,
    started_at: log && at,
    finished_at: at,
  });
  if (isOurs && log)
    await insertPipelineJob(trx, build.id, { ...log, status: planning.kind as 'failed', why, at });
  if (isOurs && 'pushed' in planning) await recordSchedules(trx, planning.pushed, o);
  return isOurs;
}

async function recordSchedules(
  trx: Transaction<Database>,
  pushed: PushedSchedules | undefined,
  { project, defaultBranch, at: now }: About,
): Promise<void> {
  if (pushed === undefined || pushed.branch !== defaultBranch) return;
  const { commit, schedules } = pushed;
  await keepSchedules(trx, project.id, { commit, schedules, now });
}

/** Changes the build only while nobody else has: a cancelled one is no longer queued. */
async function take(
  trx: Transaction<Database>,
  build: Pick<Build, 'id'>,
  values: Partial<Build>,
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('builds')
    .set((eb) => ({ ...values, revision: eb('revision', '+', 1) }))
    .where('id', '=', build.id)
    .where('status', '=', 'queued')
    .where('planned_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** SQLite takes 32,766 values in one statement; a job has 16. */
const JOBS_AT_ONCE = 1000;

async function insertJobs(
  trx: Transaction<Database>,
  { buildId, projectId, plan, at }: { buildId: string; projectId: string; plan: Plan; at: number },
): Promise<void> {
  const rows = plan.jobs.map((job, position) => ({
    id: newId(),
    build_id: buildId,
    position,
    name: job.name,
    status: 'queued' as const,
    why: '',
    needs: JSON.stringify(job.needs),
    runs_on: JSON.stringify(job.runsOn.toSorted()),
    spec: JSON.stringify(job),
    ready: 0,
    attempt: 0,
    lost_attempts: 0,
    retries_left: job.retry,
    ...placeOf(projectId, job),
    queued_at: at,
  }));
  for (let from = 0; from < rows.length; from += JOBS_AT_ONCE) {
    await trx
      .insertInto('jobs')
      .values(rows.slice(from, from + JOBS_AT_ONCE))
      .execute();
  }
}

interface WrittenLog {
  attempt: string;
  size: number;
  sha256: string;
}

async function writeLog(logs: Services['logs'], text: string, at: number): Promise<WrittenLog> {
  const attempt = newId();
  await logs.append(attempt, 0, Buffer.from(text), at);
  return { attempt, ...(await logs.seal(attempt)) };
}

/** The one job of a build without a plan; it has an attempt, so that its log is read like any other. */
async function insertPipelineJob(
  trx: Transaction<Database>,
  buildId: string,
  o: WrittenLog & { status: 'failed' | 'errored'; why: string; at: number },
): Promise<void> {
  const { status, why, at } = o;
  const job = newId();
  await trx
    .insertInto('jobs')
    .values({
      id: job,
      build_id: buildId,
      position: 0,
      name: 'pipeline',
      status,
      why,
      needs: '[]',
      runs_on: '[]',
      ready: 0,
      attempt: 1,
      lost_attempts: 0,
      retries_left: 0,
      queued_at: at,
      started_at: at,
      finished_at: at,
    })
    .execute();
  await trx
    .insertInto('attempts')
    .values({
      id: o.attempt,
      job_id: job,
      number: 1,
      status,
      why,
      runner_id: null,
      runner_name: 'server',
      instance: '',
      claim_id: '',
      fence: '',
      git_token_hash: '',
      lease_expires_at: at,
      cancel_requested: 0,
      claimed_at: at,
      finished_at: at,
      log_size: o.size,
      log_sha256: o.sha256,
    })
    .execute();
}
