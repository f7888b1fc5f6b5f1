import type { Environment } from '@reprise/pipelines/model.ts';
import type { Deployment as DeployOrder } from '@reprise/runner/protocol.ts';
import type { Kysely } from 'kysely';
import type { Database, Deployment } from '../db/schema.ts';
import { pinnedKeys } from '../environments/host-key.store.ts';
import { hostsToConverge } from '../promotions/live-state.ts';
import { revealSecrets } from '../secrets/secret.store.ts';
import type { Services } from '../services.ts';

/** The secret of an environment that holds the key with which its hosts are reached. */
export const SSH_KEY_SECRET = 'SSH_PRIVATE_KEY';

/**
 * Everything that a runner needs to deploy, from the promotion's own records: its configuration, and only now, as it is approved and about
 * to be done, the environment's secrets.
 */
export async function deployOrder(
  services: Pick<Services, 'db' | 'vault' | 'publicUrl' | 'config'>,
  deploymentId: string,
): Promise<DeployOrder> {
  const { db, vault, publicUrl, config } = services;
  const row = await orderRow(db, deploymentId);
  const environment: Environment = JSON.parse(row.config);
  const place = { projectId: row.project_id, environment: row.environment };
  const values = await revealSecrets(db, vault, {
    ...place,
    names: [...environment.secrets, SSH_KEY_SECRET],
  });
  const { [SSH_KEY_SECRET]: sshKey = null, ...secrets } = values;
  const url = `${publicUrl()}/projects/${row.project}/environments/${row.environment}`;
  return {
    id: row.id,
    kind: row.kind,
    project: row.project,
    environment: { ...environment, name: row.environment },
    only:
      row.kind === 'deploy' && row.promotion_kind === 'converge'
        ? await hostsToConverge(db, row, environment)
        : null,
    artifact: {
      name: row.artifact,
      fileName: row.file_name,
      sha256: row.sha256,
      treeSha256: row.tree_sha256,
      size: row.size,
      version: row.version ?? '',
      build: row.build,
      commit: row.commit_sha,
      commitTime: row.commit_time ?? 0,
      branch: row.branch ?? '',
      tag: row.tag ?? '',
      file: null,
    },
    release: row.release,
    by: row.asked_by,
    reason: row.reason,
    owner: `Reprise ${row.project} ${row.environment}, ${url}`,
    env: {},
    secrets,
    sshKey,
    knownHosts: await pinnedKeys(db, row.project_id, [
      ...environment.hosts,
      ...(environment.jump ? [environment.jump] : []),
    ]),
    localRoot: config.localDeployRoot,
    expected: await expectedHosts(db, place),
    rollbackTo: row.kind === 'rollback' && row.rollback_to ? JSON.parse(row.rollback_to) : null,
    protect: await releasesToKeep(db, place),
    ended: await endedBefore(db, row),
    limits: {
      prepareMs: 30 * 60_000,
      restartMs: 5 * 60_000,
      drainMs: 30_000,
      actMs: 120_000,
      uploadMs: 30 * 60_000,
    },
  };
}

function orderRow(db: Kysely<Database>, id: string) {
  return db
    .selectFrom('deployments')
    .innerJoin('promotions', 'promotions.id', 'deployments.promotion_id')
    .innerJoin('projects', 'projects.id', 'deployments.project_id')
    .innerJoin('builds', 'builds.id', 'promotions.build_id')
    .innerJoin('artifacts', 'artifacts.id', 'promotions.artifact_id')
    .select([
      'deployments.id',
      'deployments.seq',
      'deployments.kind',
      'deployments.release',
      'deployments.environment',
    ])
    .select(['deployments.project_id', 'projects.name as project'])
    .select(['promotions.config', 'promotions.rollback_to', 'promotions.asked_by', 'promotions.reason'])
    .select(['promotions.kind as promotion_kind', 'promotions.sha256'])
    .select(['builds.number as build', 'builds.version', 'builds.commit_sha', 'builds.commit_time'])
    .select(['builds.branch', 'builds.tag'])
    .select(['artifacts.name as artifact', 'artifacts.file_name', 'artifacts.tree_sha256', 'artifacts.size'])
    .where('deployments.id', '=', id)
    .executeTakeFirstOrThrow();
}

async function expectedHosts(db: Kysely<Database>, place: { projectId: string; environment: string }) {
  const rows = await db
    .selectFrom('host_states')
    .select(['host', 'release', 'digest'])
    .where('project_id', '=', place.projectId)
    .where('environment', '=', place.environment)
    .execute();
  return Object.fromEntries(rows.map(({ host, release, digest }) => [host, { release, digest }]));
}

/** Releases of the last complete deployments: one of them is what a rollback goes back to. */
async function releasesToKeep(
  db: Kysely<Database>,
  place: { projectId: string; environment: string },
): Promise<string[]> {
  const rows = await db
    .selectFrom('deployments')
    .select('result')
    .where('project_id', '=', place.projectId)
    .where('environment', '=', place.environment)
    .where('status', '=', 'passed')
    .where('kind', '<>', 'probe')
    .orderBy('seq', 'desc')
    .limit(2)
    .execute();
  return rows.flatMap(({ result }) => (result ? [JSON.parse(result).release as string] : []));
}

/** A lock of theirs that is still on a host belongs to nobody any more. */
async function endedBefore(
  db: Kysely<Database>,
  row: Pick<Deployment, 'project_id' | 'environment' | 'seq'>,
): Promise<string[]> {
  const rows = await db
    .selectFrom('deployments')
    .select('id')
    .where('project_id', '=', row.project_id)
    .where('environment', '=', row.environment)
    .where('seq', '<', row.seq)
    .where('status', 'not in', ['queued', 'running'])
    .orderBy('seq', 'desc')
    .limit(100)
    .execute();
  return rows.map(({ id }) => id);
}
