import type { Environment } from '@reprise/pipelines/model.ts';
import { recordAudit } from '../audit/record.ts';
import type { Caller } from '../auth/caller.ts';
import { newId } from '../db/id.ts';
import type { Project, Promotion, PromotionKind } from '../db/schema.ts';
import { whatIsMissing } from '../deployments/ready.ts';
import { policyOf } from '../environments/policy.store.ts';
import { readEnvironments } from '../environments/read-environments.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { advance } from './advance.ts';
import { announcePromotion } from './announce.ts';
import { boundDigest } from './bind.ts';
import { promotionOf } from './decide.ts';
import { hostsToConverge, liveState } from './live-state.ts';
import { assertMay, refuse } from './promote.ts';
import { strangeHost } from './rules.ts';

interface Asked {
  environment: string;
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
  o: Asked & { to?: string | undefined },
): Promise<string> {
  const target = await rollbackTarget(services, project, o);
  const deployed = await lastResult(services, target.id);
  const rollbackTo = deployed && { release: deployed.release, digests: deployed.digests };
  return repeat(services, project, { ...o, target, kind: 'rollback', rollbackTo });
}

/**
 * Brings hosts that are new, rebuilt or drifted to what is live; those that are as they should be stay. Everything is as it was approved, but
 * for the hosts, which are those of the file by now, within what the policy allows.
 */
export async function converge(services: Services, project: Project, o: Asked): Promise<string> {
  const latest = await lastGood(services, project, { environment: o.environment, before: null });
  if (!latest) {
    const sentence = `Nothing is live in ${o.environment} of ${project.name} yet: promote something first.`;
    throw new Refusal(409, 'conflict', sentence);
  }
  const recorded: Environment = JSON.parse(latest.config);
  const environment = { ...recorded, hosts: await hostsByNow(services, project, recorded) };
  const away = await hostsToConverge(services.reader, latest, environment);
  if (away.length === 0) {
    const sentence = `Every host of ${o.environment} has what is live there, as far as anybody has looked: there is nothing to bring. Look at the hosts first if you doubt it.`;
    throw new Refusal(409, 'conflict', sentence);
  }
  const target = { ...latest, config: JSON.stringify(environment) };
  return repeat(services, project, { ...o, target, kind: 'converge', rollbackTo: null });
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
  if (stranger !== null) refuse([{ rule: 'hosts', sentence: stranger }]);
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
  const sentence = `Nothing else was live and healthy in ${environment} before: there is nothing to go back to.`;
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

/** The newest promotion whose deployment was complete; with `before`, the newest of another artifact that was live before it. */
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
  if (before)
    query = query.where('promotions.seq', '<', before.seq).where('promotions.sha256', '<>', before.sha256);
  return (await query.orderBy('deployments.seq', 'desc').limit(1).executeTakeFirst()) ?? null;
}

/** The release that a promotion put there, and what was measured of it by host. null: it was never complete. */
async function lastResult(
  { db }: Services,
  promotionId: string,
): Promise<{ release: string; digests: Record<string, string> } | null> {
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

async function repeat(
  services: Services,
  project: Project,
  o: Asked & { target: Promotion; kind: PromotionKind; rollbackTo: object | null },
): Promise<string> {
  const { db, now } = services;
  const { target, kind, rollbackTo, by, reason } = o;
  const policy = await policyOf(db, { projectId: project.id, environment: o.environment });
  assertMay(by, project, policy.promoters, `change what is live in ${o.environment}`);
  refuse(await whatIsMissing(services, project.id, JSON.parse(target.config)));
  const id = newId();
  const at = now();
  await db.transaction().execute(async (trx) => {
    await trx
      .insertInto('promotions')
      .values({
        id,
        project_id: project.id,
        environment: o.environment,
        kind,
        build_id: target.build_id,
        artifact_id: target.artifact_id,
        sha256: target.sha256,
        config: target.config,
        config_commit: target.config_commit,
        bound_sha256: boundDigest({
          sha256: target.sha256,
          environment: JSON.parse(target.config),
          rollbackTo,
        }),
        rollback_to: rollbackTo && JSON.stringify(rollbackTo),
        asked_by: by.name,
        asked_via: by.via,
        asked_by_user: by.userId,
        reason,
        approvals_needed: 0,
        state: 'approved',
        why: '',
        created_at: at,
        decided_at: at,
      })
      .execute();
    const subject = `${project.name} ${o.environment}, ${kind}`;
    const entry = { at, by, action: 'promotion.ask', project: project.name, subject, reason } as const;
    await recordAudit(trx, { ...entry, detail: { promotion: id, kind, to: target.id } });
  });
  announcePromotion(services, project);
  await advance(services, project, o.environment);
  return id;
}
