import type { FinalStatus } from '@reprise/pipelines/status.ts';
import type { DeployResult, HostProbe } from '@reprise/runner/protocol.ts';
import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import type { Database, Deployment } from '../db/schema.ts';
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
  if (deployment.kind === 'probe') return learn(trx, deployment, { probes: result?.probes ?? [], now });
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
  if (isMixed) await startDeployment(trx, { project: { name: '' }, promotion, kind: 'probe', at: now });
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
    const fresh =
      state === 'new'
        ? { promotion_id: deployment.promotion_id, release: result.release, digest, since: now }
        : state === 'none'
          ? { promotion_id: null, release: null, digest: null, since: null }
          : null;
    // What was put back, or never touched, stays what the record says of it.
    const other = { promotion_id: null, release: current, digest: null, since: null };
    await trx
      .insertInto('host_states')
      .values({ ...key, ...common, ...(fresh ?? other) })
      .onConflict((oc) =>
        oc
          .columns(['project_id', 'environment', 'host'])
          .doUpdateSet({ ...common, ...(fresh ?? (state === 'other' ? other : {})) }),
      )
      .execute();
  }
}

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
      .values({
        ...key,
        promotion_id: null,
        release: null,
        digest: null,
        healthy: null,
        since: null,
        is_known: 0,
      })
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
    const known = await trx
      .selectFrom('host_states')
      .select('release')
      .where('project_id', '=', key.project_id)
      .where('environment', '=', key.environment)
      .where('host', '=', key.host)
      .executeTakeFirst();
    const seen = {
      probe: JSON.stringify(probe),
      probed_at: now,
      healthy: probe.health === null ? null : probe.health.healthy ? 1 : 0,
      is_known: probe.state === 'unreachable' ? 0 : 1,
    };
    const found =
      probe.state === 'unreachable' || probe.current === (known?.release ?? null)
        ? {}
        : await whose(trx, deployment, probe);
    await trx
      .insertInto('host_states')
      .values({ ...key, promotion_id: null, release: null, digest: null, since: null, ...seen, ...found })
      .onConflict((oc) =>
        oc.columns(['project_id', 'environment', 'host']).doUpdateSet({ ...seen, ...found }),
      )
      .execute();
  }
}

/** Whose release is live there, where it is not the one on record: a deployment's that was lost, or nobody's. */
async function whose(trx: Transaction<Database>, deployment: Deployment, probe: HostProbe) {
  const stranger = { promotion_id: null, release: probe.current, digest: null, since: null };
  if (probe.current === null) return stranger;
  const made = await trx
    .selectFrom('deployment_records')
    .innerJoin('deployments', 'deployments.id', 'deployment_records.deployment_id')
    .select(['deployments.promotion_id', 'deployment_records.record', 'deployment_records.at'])
    .where('deployments.project_id', '=', deployment.project_id)
    .where('deployments.environment', '=', deployment.environment)
    .where('deployments.kind', '<>', 'probe')
    .orderBy('deployments.seq', 'desc')
    .orderBy('deployment_records.seq', 'desc')
    .limit(2000)
    .execute();
  for (const { promotion_id, record, at } of made) {
    const { host, release, digest } = JSON.parse(record) as {
      host: string;
      release: string;
      digest: string | null;
    };
    if (host === probe.host && release === probe.current && digest !== null)
      return { promotion_id, release, digest, since: at };
  }
  return stranger;
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
