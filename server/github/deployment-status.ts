import type { Environment } from '@reprise/pipelines/model.ts';
import type { Status } from '@reprise/pipelines/status.ts';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import type { Services } from '../services.ts';
import type { Github } from './api.ts';
import { type Place, shortened } from './place.ts';

const STATES = {
  queued: 'queued',
  blocked: 'queued',
  running: 'in_progress',
  passed: 'success',
  failed: 'failure',
  errored: 'error',
  cancelled: 'error',
  skipped: 'error',
} as const satisfies Record<Status, string>;

type DeploymentToTell = Awaited<ReturnType<typeof deploymentsToTell>>[number];

/** Deployments of which GitHub does not know the status yet, oldest first. */
export function deploymentsToTell(db: Kysely<Database>, { since, limit }: { since: number; limit: number }) {
  return db
    .selectFrom('deployments')
    .innerJoin('promotions', 'promotions.id', 'deployments.promotion_id')
    .innerJoin('builds', 'builds.id', 'promotions.build_id')
    .innerJoin('projects', 'projects.id', 'deployments.project_id')
    .select(['deployments.id', 'deployments.environment', 'deployments.status', 'deployments.why'])
    .select(['deployments.github_id', 'builds.commit_sha', 'builds.number', 'builds.version'])
    .select(['promotions.kind', 'promotions.asked_by', 'promotions.reason', 'promotions.config'])
    .select(['projects.name as project', 'projects.github'])
    .whereRef('deployments.github_told', '<>', 'deployments.status')
    .where('deployments.github_told', 'is not', null)
    .where('deployments.queued_at', '>=', since)
    .orderBy('deployments.seq')
    .limit(limit)
    .execute();
}

/** Makes the deployment at GitHub if it is not there yet, and sets its status. Returns GitHub's number of it. */
export async function tellDeployment(
  github: Github,
  services: Pick<Services, 'publicUrl'>,
  deployment: DeploymentToTell,
  place: Place,
): Promise<number> {
  const id =
    deployment.github_id ??
    (await findMade(github, deployment, place)) ??
    (await make(github, deployment, place));
  const { project, environment } = deployment;
  const { url }: Environment = JSON.parse(deployment.config);
  await github('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
    ...place,
    deployment_id: id,
    state: STATES[deployment.status],
    description: shortened(deployment.why),
    log_url: `${services.publicUrl()}/projects/${project}/environments/${environment}`,
    ...(url !== null && { environment_url: url }),
  });
  return id;
}

/** It may have been made just before a server died, which then did not know its number any more. */
async function findMade(
  github: Github,
  { id, environment, commit_sha: sha }: DeploymentToTell,
  place: Place,
) {
  const { data } = await github('GET /repos/{owner}/{repo}/deployments', { ...place, sha, environment });
  const made = data.find(({ payload }) => idIn(payload) === id);
  return made ? Number(made.id) : null;
}

function idIn(payload: unknown): unknown {
  const read = typeof payload === 'string' ? parsed(payload) : payload;
  return (read as { reprise?: unknown } | null)?.reprise;
}

/** GitHub has answered what was sent as an object as text, at times. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Whether it may go there was decided here: GitHub shall neither merge anything nor ask for other checks. */
async function make(github: Github, deployment: DeploymentToTell, place: Place): Promise<number> {
  const { kind, asked_by: by, reason, environment, version, number } = deployment;
  const what = kind === 'rollback' ? 'rolled back to' : kind === 'converge' ? 'converged to' : 'promoted';
  const { data } = await github('POST /repos/{owner}/{repo}/deployments', {
    ...place,
    ref: deployment.commit_sha,
    environment,
    auto_merge: false,
    required_contexts: [],
    production_environment: environment === 'production',
    description: shortened(`${by} ${what} ${version ?? ''} (#${number}): ${reason}`),
    payload: { reprise: deployment.id },
  });
  if ('id' in data) return Number(data.id);
  throw new Error(`GitHub made no deployment: ${data.message ?? 'it did not say why'}`);
}

export async function markDeployment(
  db: Kysely<Database>,
  { id, status }: Pick<DeploymentToTell, 'id' | 'status'>,
  githubId: number | null,
): Promise<void> {
  await db
    .updateTable('deployments')
    .set({ github_told: status, ...(githubId !== null && { github_id: githubId }) })
    .where('id', '=', id)
    .execute();
}
