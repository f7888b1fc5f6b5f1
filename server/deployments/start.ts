import type { PlannedJob } from '@reprise/pipelines/model.ts';
import type { Transaction } from 'kysely';
import { newId } from '../db/id.ts';
import type { Database, Deployment, Promotion } from '../db/schema.ts';

/** A deployment of many hosts may take its time; each act on a host has a bound of its own. */
const TIMEOUT_MS = 12 * 3_600_000;

/** What a runner must have to deploy. */
export const DEPLOY_LABEL = 'deploy';

/**
 * Queues the deployment of a promotion: an ordinary job of the artifact's build, for a runner with the label `deploy`. The artifact is its
 * input, so its bytes are the build's own. Call it where nothing else is under way in the environment: the database refuses a second.
 */
export async function startDeployment(
  trx: Transaction<Database>,
  o: { promotion: Promotion; kind: Deployment['kind']; at: number },
): Promise<string> {
  const { promotion, kind, at } = o;
  const id = newId();
  const { github } = await trx
    .selectFrom('projects')
    .select('github')
    .where('id', '=', promotion.project_id)
    .executeTakeFirstOrThrow();
  const { seq } = await trx
    .insertInto('deployments')
    .values({
      id,
      project_id: promotion.project_id,
      environment: promotion.environment,
      kind,
      promotion_id: promotion.id,
      release: releaseName(at),
      status: 'queued',
      why: '',
      queued_at: at,
      github_told: github === null || kind === 'probe' ? null : '',
    })
    .returning('seq')
    .executeTakeFirstOrThrow();
  const { name: artifact } = await trx
    .selectFrom('artifacts')
    .select('name')
    .where('id', '=', promotion.artifact_id)
    .executeTakeFirstOrThrow();
  const spec = deployJob(
    `${kind}-${promotion.environment.slice(0, 40)}-${seq}`,
    kind === 'probe' ? [] : [artifact],
  );
  const { position } = await trx
    .selectFrom('jobs')
    .select(({ fn }) => fn.max('position').as('position'))
    .where('build_id', '=', promotion.build_id)
    .executeTakeFirstOrThrow();
  await trx
    .insertInto('jobs')
    .values({
      id: newId(),
      build_id: promotion.build_id,
      deployment_id: id,
      position: Number(position) + 1,
      name: spec.name,
      status: 'queued',
      why: '',
      needs: '[]',
      runs_on: JSON.stringify(spec.runsOn),
      spec: JSON.stringify(spec),
      ready: 1,
      ready_at: at,
      attempt: 0,
      lost_attempts: 0,
      retries_left: 0,
      queued_at: at,
    })
    .execute();
  return id;
}

/** Capistrano's name for a release: its moment in UTC. */
export function releaseName(at: number): string {
  return new Date(at).toISOString().replace(/\D/g, '').slice(0, 14);
}

function deployJob(name: string, inputs: string[]): PlannedJob {
  return {
    name,
    runsOn: [DEPLOY_LABEL],
    needs: [],
    env: {},
    timeoutMs: TIMEOUT_MS,
    retry: 0,
    workingDirectory: null,
    network: 'egress',
    steps: [],
    artifacts: [],
    inputs,
  };
}
