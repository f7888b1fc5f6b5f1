import type { FinalStatus } from '@reprise/pipelines/status.ts';
import type { DeployResult, HostProbe, HostRecordEntry } from '@reprise/runner/protocol.ts';
import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import type { Database, Deployment, HostState } from '../db/schema.ts';
import { startDeployment } from './start.ts';

/**
 * Ends a deployment with its job's attempt, in that transaction: its record, its promotion, and what is known to be on each host. Without a
 * result (its runner was lost) nobody knows what is true on the hosts: that is said, and they are looked at. Never tried again by itself.
 */
export async function endDeployment(
  trx: Transaction<Database>,
  id: string,
  o: { status: FinalStatus; why: string; result: DeployResult | null; now: number },
): Promise<void> {
  const { result, now } = o;
  const deployment = await trx
    .updateTable('deployments')
    .set({ status: o.status, why: o.why, result: result && JSON.stringify(result), finished_at: now })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  if (deployment.kind === 'probe') {
    await learn(trx, deployment, { probes: result?.probes ?? [], now });
    if (result === null) await lookAgain(trx, deployment, now);
    return;
  }
  const promotion = await trx
    .updateTable('promotions')
    .set({ state: 'done', why: o.status === 'passed' ? '' : o.why })
    .where('id', '=', deployment.promotion_id)
    .returningAll()
    .executeTakeFirstOrThrow();
  if (result) await settleHosts(trx, deployment, result, now);
  else await doubtHosts(trx, deployment, JSON.parse(promotion.config).hosts);
  await recordEnd(trx, deployment, { ...o, by: promotion.asked_by });
  const isMixed =
    result === null || result.hosts.some(({ state }) => state === 'unknown' || state === 'other');
  if (isMixed) await startDeployment(trx, { promotion, kind: 'probe', at: now });
}

/** What the deployment found by looking, host by host. */
async function settleHosts(
  trx: Transaction<Database>,
  deployment: Deployment,
  result: DeployResult,
  now: number,
): Promise<void> {
  for (const { host, state, current, digest, healthy } of result.hosts) {
    const key = { project_id: deployment.project_id, environment: deployment.environment, host };
    const common = {
      healthy: healthy === null ? null : healthy ? 1 : 0,
      is_known: state === 'unknown' ? 0 : 1,
    };
    // What an earlier look said is about what was there then.
    const seen = state === 'new' || state === 'other' ? { probe: null, probed_at: null } : {};
    const fresh =
      state === 'new'
        ? { promotion_id: deployment.promotion_id, release: result.release, digest, since: now }
        : state === 'none'
          ? { promotion_id: null, release: null, digest: null, since: null }
          : null;
    // What was put back, or never touched, stays what the record says of it.
    const other =
      state === 'previous' || state === 'other' ? await foundThere(trx, deployment, { host, current }) : {};
    await trx
      .insertInto('host_states')
      .values({ ...NOTHING_RECORDED, ...key, ...common, ...seen, ...(fresh ?? other) })
      .onConflict((oc) =>
        oc
          .columns(['project_id', 'environment', 'host'])
          .doUpdateSet({ ...common, ...seen, ...(fresh ?? other) }),
      )
      .execute();
  }
}

const NOTHING_RECORDED = { promotion_id: null, release: null, digest: null, since: null } as const;

/** Looking changes nothing, so a look whose runner was lost is tried again: three times, as one of them may be what ends runners. */
async function lookAgain(trx: Transaction<Database>, deployment: Deployment, now: number): Promise<void> {
  const last = await trx
    .selectFrom('deployments')
    .select(['kind', 'result'])
    .where('project_id', '=', deployment.project_id)
    .where('environment', '=', deployment.environment)
    .orderBy('seq', 'desc')
    .limit(MOST_LOOKS)
    .execute();
  if (last.length === MOST_LOOKS && last.every(({ kind, result }) => kind === 'probe' && result === null))
    return;
  const promotion = await trx
    .selectFrom('promotions')
    .selectAll()
    .where('id', '=', deployment.promotion_id)
    .executeTakeFirstOrThrow();
  await startDeployment(trx, { promotion, kind: 'probe', at: now });
}

const MOST_LOOKS = 3;

/** Nobody knows: the hosts of a deployment that was lost. */
async function doubtHosts(
  trx: Transaction<Database>,
  deployment: Deployment,
  hosts: readonly string[],
): Promise<void> {
  for (const host of hosts) {
    const key = { project_id: deployment.project_id, environment: deployment.environment, host };
    await trx
      .insertInto('host_states')
      .values({ ...NOTHING_RECORDED, ...key, healthy: null, is_known: 0 })
      .onConflict((oc) => oc.columns(['project_id', 'environment', 'host']).doUpdateSet({ is_known: 0 }))
      .execute();
  }
}

/** What a look at the hosts says, held against what is recorded. */
async function learn(
  trx: Transaction<Database>,
  deployment: Deployment,
  { probes, now }: { probes: readonly HostProbe[]; now: number },
): Promise<void> {
  for (const probe of probes) {
    const key = { project_id: deployment.project_id, environment: deployment.environment, host: probe.host };
    const found = probe.state === 'unreachable' ? {} : await foundThere(trx, deployment, probe);
    const seen = {
      probe: JSON.stringify(asItIs(probe, found)),
      probed_at: now,
      healthy: probe.health === null ? null : probe.health.healthy ? 1 : 0,
      is_known: probe.state === 'unreachable' ? 0 : 1,
    };
    await trx
      .insertInto('host_states')
      .values({ ...NOTHING_RECORDED, ...key, ...seen, ...found })
      .onConflict((oc) =>
        oc.columns(['project_id', 'environment', 'host']).doUpdateSet({ ...seen, ...found }),
      )
      .execute();
  }
}

/** The look was held against the record of before: what a lost deployment had put there, whole, is no drift. */
function asItIs(probe: HostProbe, found: Partial<Found>): HostProbe {
  const isWhole = probe.state === 'drift' && probe.differences.length === 0;
  if (!isWhole || !found.digest || found.digest !== probe.digest) return probe;
  return { ...probe, state: 'match', detail: null };
}

type Found = Pick<HostState, 'promotion_id' | 'release' | 'digest' | 'since'>;

/** What is to be recorded of a host where `current` was found. Nothing, where that is what the record says. */
async function foundThere(
  trx: Transaction<Database>,
  deployment: Deployment,
  { host, current }: { host: string; current: string | null },
): Promise<Partial<Found>> {
  const known = await trx
    .selectFrom('host_states')
    .select('release')
    .where('project_id', '=', deployment.project_id)
    .where('environment', '=', deployment.environment)
    .where('host', '=', host)
    .executeTakeFirst();
  if (known && known.release === current) return {};
  const stranger = { ...NOTHING_RECORDED, release: current };
  return current === null ? stranger : ((await whose(trx, deployment, { host, current })) ?? stranger);
}

/** Whose release is live there: of the last deployment that switched the host to it, as it was measured when it was installed. */
async function whose(
  trx: Transaction<Database>,
  deployment: Deployment,
  { host, current }: { host: string; current: string },
): Promise<Found | null> {
  const made = await trx
    .selectFrom('deployment_records')
    .innerJoin('deployments', 'deployments.id', 'deployment_records.deployment_id')
    .select(['deployments.promotion_id', 'deployment_records.record', 'deployment_records.at'])
    .where('deployments.project_id', '=', deployment.project_id)
    .where('deployments.environment', '=', deployment.environment)
    .where('deployments.kind', '<>', 'probe')
    .where('deployment_records.record', 'like', `%${JSON.stringify(host)}%`)
    .where('deployment_records.record', 'like', `%${JSON.stringify(current)}%`)
    .orderBy('deployments.seq', 'desc')
    .orderBy('deployment_records.seq', 'desc')
    .execute();
  const records = made
    .map(({ record, at: since, promotion_id }) => {
      const entry: HostRecordEntry['entry'] = JSON.parse(record);
      return { ...entry, since, promotion_id };
    })
    .filter((entry) => entry.host === host && entry.release === current);
  const switched = records.find(({ phase }) => phase === 'switch');
  const measured = records.find(({ digest }) => digest !== null);
  if (!switched || !measured) return null;
  return {
    promotion_id: switched.promotion_id,
    release: current,
    digest: measured.digest,
    since: switched.since,
  };
}

async function recordEnd(
  trx: Transaction<Database>,
  deployment: Deployment,
  o: { status: FinalStatus; why: string; result: DeployResult | null; now: number; by: string },
): Promise<void> {
  const project = await trx
    .selectFrom('projects')
    .select('name')
    .where('id', '=', deployment.project_id)
    .executeTakeFirstOrThrow();
  const hosts = Object.fromEntries(
    (o.result?.hosts ?? []).map(({ host, state, current }) => [host, { state, current }]),
  );
  await recordAudit(trx, {
    at: o.now,
    by: { name: 'Reprise', via: `for ${o.by}` },
    action: 'deployment.end',
    project: project.name,
    subject: `${project.name} to ${deployment.environment}`,
    reason: o.why,
    detail: { deployment: deployment.id, status: o.status, outcome: o.result?.outcome ?? 'unknown', hosts },
  });
}
