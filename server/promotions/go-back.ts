import type { Environment } from '@reprise/pipelines/model.ts';
import type { Caller } from '../auth/caller.ts';
import type { Project, Promotion } from '../db/schema.ts';
import { whatIsMissing } from '../deployments/ready.ts';
import { policyOf } from '../environments/policy.store.ts';
import { readEnvironments } from '../environments/read-environments.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { assertMay, assertNoObjection } from './allowed.ts';
import { ask, type Wanted } from './ask.ts';
import { hostsToConverge, liveState } from './live-state.ts';
import { promotionOf } from './promotion.store.ts';
import { strangeHost } from './rules.ts';

interface Asked {
  reason: string;
  by: Caller;
}

/**
 * Brings back what was live and healthy before (or the promotion `to`), with the configuration that was recorded with it, so that no forge is
 * needed. Needs no approvals: it was approved when it went there. Returns the new promotion's id.
 */
export async function rollBack(
  services: Services,
  project: Project,
  { by, reason, ...asked }: Asked & { environment: string; to?: string | undefined },
): Promise<string> {
  const target = await rollbackTarget(services, project, asked);
  const environment: Environment = JSON.parse(target.config);
  const rollbackTo = await lastResult(services, target.id);
  return repeat(services, project, { by, reason, kind: 'rollback', target, environment, rollbackTo });
}

/**
 * Brings hosts that are new, rebuilt or drifted to what is live; those that are as they should be stay. Everything is as it was approved, but
 * for the hosts, which are those of the file by now, within what the policy allows.
 */
export async function converge(
  services: Services,
  project: Project,
  { by, reason, environment: place }: Asked & { environment: string },
): Promise<string> {
  const latest = await lastGood(services, project, { environment: place, before: null });
  if (!latest) {
    const sentence = `Nothing is live in ${place} of ${project.name} yet: promote something first.`;
    throw new Refusal(409, 'conflict', sentence);
  }
  const recorded: Environment = JSON.parse(latest.config);
  const environment = { ...recorded, hosts: await hostsByNow(services, project, recorded) };
  const away = await hostsToConverge(services.reader, latest, environment);
  if (away.length === 0) {
    const sentence = `Every host of ${place} has what is live there, as far as anybody has looked: there is nothing to bring. Look at the hosts first if you doubt it.`;
    throw new Refusal(409, 'conflict', sentence);
  }
  return repeat(services, project, {
    by,
    reason,
    kind: 'converge',
    target: latest,
    environment,
    rollbackTo: null,
  });
}

/** The file's hosts at this moment; those recorded, where it cannot be read or has no such environment any more. */
async function hostsByNow(services: Services, project: Project, recorded: Environment): Promise<string[]> {
  const read = await readEnvironments(services, project, { fresh: true }).catch((error) => {
    if (error instanceof Refusal) return null;
    throw error;
  });
  const now = read?.environments.find(({ name }) => name === recorded.name);
  if (!now) return recorded.hosts;
  const policy = await policyOf(services.db, { projectId: project.id, environment: recorded.name });
  const stranger = strangeHost({ environment: now, policy });
  if (stranger !== null) assertNoObjection([{ rule: 'hosts', sentence: stranger }]);
  return now.hosts;
}

async function rollbackTarget(
  services: Services,
  project: Project,
  { environment, to }: { environment: string; to?: string | undefined },
): Promise<Promotion> {
  if (to !== undefined) {
    const target = await promotionOf(services.db, project, to);
    if (target.environment === environment && (await lastResult(services, target.id)) !== null) return target;
    throw new Refusal(409, 'conflict', `The promotion ${to} was never live and healthy in ${environment}.`);
  }
  const current = await lastGood(services, project, { environment, before: null });
  if (current && !(await isWhole(services, current))) return current;
  const before = current && (await lastGood(services, project, { environment, before: current }));
  if (before) return before;
  const sentence = `Nothing else was live and healthy in ${environment} before this: there is nothing to go back to. Promote what should be live.`;
  throw new Refusal(409, 'conflict', sentence);
}

/** Whether the last complete deployment is what is live: else a later one has left something behind, and the way back leads to it. */
async function isWhole({ db }: Services, current: Promotion): Promise<boolean> {
  const environment: Environment = JSON.parse(current.config);
  const last = await db
    .selectFrom('deployments')
    .select('status')
    .where('project_id', '=', current.project_id)
    .where('environment', '=', current.environment)
    .where('kind', '<>', 'probe')
    .where('status', 'not in', ['queued', 'running'])
    .where('started_at', 'is not', null)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last?.status === 'passed') return true;
  const { hosts, promotion } = await liveState(db, { projectId: current.project_id, environment });
  return promotion?.sha256 === current.sha256 && hosts.every(({ is_known }) => is_known === 1);
}

/**
 * The newest promotion whose deployment was complete; with `before`, the newest of another artifact that was live before that one first went
 * there: whoever rolls back twice goes back twice.
 */
async function lastGood(
  { db }: Services,
  project: Project,
  { environment, before }: { environment: string; before: Promotion | null },
): Promise<Promotion | null> {
  let query = db
    .selectFrom('promotions')
    .innerJoin('deployments', 'deployments.promotion_id', 'promotions.id')
    .selectAll('promotions')
    .where('promotions.project_id', '=', project.id)
    .where('promotions.environment', '=', environment)
    .where('deployments.kind', '<>', 'probe')
    .where('deployments.status', '=', 'passed');
  if (before) {
    const first = before.repeats === null ? before : await promotionOf(db, project, before.repeats);
    query = query.where('promotions.seq', '<', first.seq).where('promotions.sha256', '<>', before.sha256);
  }
  return (await query.orderBy('deployments.seq', 'desc').limit(1).executeTakeFirst()) ?? null;
}

/** The release that a promotion put there, and what was measured of it by host. null: it was never complete. */
async function lastResult({ db }: Services, promotionId: string): Promise<Wanted['rollbackTo']> {
  const row = await db
    .selectFrom('deployments')
    .select('result')
    .where('promotion_id', '=', promotionId)
    .where('kind', '<>', 'probe')
    .where('status', '=', 'passed')
    .orderBy('seq', 'desc')
    .executeTakeFirst();
  if (!row?.result) return null;
  const { release, hosts } = JSON.parse(row.result) as {
    release: string;
    hosts: { host: string; digest: string | null }[];
  };
  const known = hosts.flatMap(({ host, digest }) => (digest === null ? [] : [[host, digest] as const]));
  return { release, digests: Object.fromEntries(known) };
}

/** What went there once goes there again: for the reason of now, under the rules that do not need the forge. */
async function repeat(
  services: Services,
  project: Project,
  o: Asked & {
    kind: 'rollback' | 'converge';
    target: Promotion;
    environment: Environment;
    rollbackTo: Wanted['rollbackTo'];
  },
): Promise<string> {
  const { target, kind, environment, by, reason, rollbackTo } = o;
  const place = environment.name;
  const policy = await policyOf(services.db, { projectId: project.id, environment: place });
  assertMay(by, project, policy.promoters, `change what is live in ${place}`);
  assertNoObjection(await whatIsMissing(services, project.id, environment));
  return ask(services, project, {
    kind,
    environment,
    configCommit: target.config_commit,
    artifact: { id: target.artifact_id, buildId: target.build_id, sha256: target.sha256 },
    by,
    reason,
    approvalsNeeded: 0,
    confirmOlder: true,
    rollbackTo,
    repeats: target.repeats ?? target.id,
    subject: `${project.name} ${place}, ${kind}`,
    detail: { kind, to: target.id },
  });
}
