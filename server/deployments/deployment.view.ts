import type { HostRecord } from '@reprise/runner/protocol.ts';
import type { Kysely } from 'kysely';
import { iso } from '../api.ts';
import type { Database } from '../db/schema.ts';
import type { DeploymentAnswer } from '../promotions/promotion.api.ts';

/** Which deployments are shown. */
export interface Shown {
  projectId: string;
  id?: string;
  environment?: string;
  promotions?: readonly string[];
  before?: number;
  limit?: number;
}

/** Deployments as the API shows them, newest first, with what was done on each host; looks at hosts (probes) only where asked by id. */
export async function viewDeployments(
  db: Kysely<Database>,
  o: Shown,
): Promise<(DeploymentAnswer & { seq: number })[]> {
  let query = db
    .selectFrom('deployments')
    .innerJoin('promotions', 'promotions.id', 'deployments.promotion_id')
    .innerJoin('projects', 'projects.id', 'deployments.project_id')
    .innerJoin('builds', 'builds.id', 'promotions.build_id')
    .innerJoin('jobs', 'jobs.deployment_id', 'deployments.id')
    .selectAll('deployments')
    .select(['projects.name as project', 'jobs.name as job'])
    .select(['promotions.config', 'promotions.asked_by', 'promotions.reason'])
    .select(['builds.number as build', 'builds.version', 'builds.commit_sha'])
    .where('deployments.project_id', '=', o.projectId);
  if (o.id !== undefined) query = query.where('deployments.id', '=', o.id);
  else query = query.where('deployments.kind', '<>', 'probe');
  if (o.environment !== undefined) query = query.where('deployments.environment', '=', o.environment);
  if (o.promotions)
    query = query.where('deployments.promotion_id', 'in', o.promotions.length === 0 ? [''] : o.promotions);
  if (o.before !== undefined) query = query.where('deployments.seq', '<', o.before);
  const rows = await query
    .orderBy('deployments.seq', 'desc')
    .limit(o.limit ?? 50)
    .execute();
  const records = await recordsOf(
    db,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => {
    const result = row.result ? JSON.parse(row.result) : null;
    const hosts: string[] = JSON.parse(row.config).hosts;
    return {
      seq: row.seq,
      id: row.id,
      project: row.project,
      environment: row.environment,
      kind: row.kind,
      promotion: row.promotion_id,
      release: result?.release ?? row.release,
      status: row.status,
      outcome: result?.outcome ?? null,
      why: row.why,
      build: row.build,
      job: row.job,
      version: row.version ?? '',
      commit: row.commit_sha,
      by: row.asked_by,
      reason: row.reason,
      queuedAt: iso(row.queued_at),
      startedAt: iso(row.started_at),
      finishedAt: iso(row.finished_at),
      hosts: hosts.map((host) => viewHost(host, records.get(row.id) ?? [], result)),
    };
  });
}

async function recordsOf(db: Kysely<Database>, ids: readonly string[]): Promise<Map<string, HostRecord[]>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('deployment_records')
    .select(['deployment_id', 'record'])
    .where('deployment_id', 'in', ids)
    .orderBy('deployment_id')
    .orderBy('seq')
    .execute();
  const byId = Map.groupBy(rows, ({ deployment_id }) => deployment_id);
  return new Map([...byId].map(([id, found]) => [id, found.map(({ record }) => JSON.parse(record))]));
}

function viewHost(
  host: string,
  records: readonly HostRecord[],
  result: {
    hosts: {
      host: string;
      state: 'new' | 'previous' | 'other' | 'none' | 'unknown';
      current: string | null;
    }[];
  } | null,
): DeploymentAnswer['hosts'][number] {
  const last = records.findLast((record) => record.host === host);
  const found = result?.hosts.find((state) => state.host === host);
  return {
    host,
    phase: last?.phase ?? null,
    outcome: last?.at === 'after' ? last.outcome : null,
    state: found?.state ?? null,
    release: found?.current ?? null,
    detail: last?.detail ?? null,
  };
}
