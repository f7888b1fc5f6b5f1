import type { PlannedJob } from '@reprise/pipelines/model.ts';
import type { Assignment } from '@reprise/runner/protocol.ts';
import type { Kysely } from 'kysely';
import { buildUrl } from '../builds/build-url.ts';
import type { Database } from '../db/schema.ts';
import { deployOrder } from '../deployments/assignment.ts';
import { keepRef } from '../git/pin.ts';
import type { Claimed } from '../queue/claim.ts';
import { revealSecrets } from '../secrets/secret.store.ts';
import type { Services } from '../services.ts';

/** Everything that a runner needs to execute an attempt, from the records made when its build was planned. */
export async function assignmentOf(
  services: Pick<Services, 'db' | 'config' | 'publicUrl' | 'vault'>,
  { attempt, fence, gitToken }: Claimed,
): Promise<Assignment> {
  const row = await assignedRow(services.db, attempt);
  if (row.spec === null) throw new Error(`Attempt ${attempt} was made for a job without a plan.`);
  const job: PlannedJob = JSON.parse(row.spec);
  return {
    attempt,
    fence,
    gitToken,
    project: row.project,
    build: row.build,
    job,
    attemptNumber: row.number,
    commit: row.commit_sha,
    keepRef: keepRef(row.commit_sha),
    tags: JSON.parse(row.tags ?? '[]'),
    cloneUrl: withoutCredentials(row.clone_url),
    version: row.version ?? '',
    sourceDateEpoch: row.commit_time ?? 0,
    env: stepEnvironment(row, buildUrl(services, row.project, row.build)),
    inputs: job.inputs.length === 0 ? [] : await inputsOf(services.db, row.build_id, job.inputs),
    secrets: await secretsFor(services, row, job),
    deployment: row.deployment_id === null ? null : await deployOrder(services, row.deployment_id),
    logLimit: services.config.logLimit,
  };
}

/** The facts of the build that steps see, whatever machine they run on. */
export function stepEnvironment(row: AssignedRow, url: string): Record<string, string> {
  const pullRequest: { number: number } | null = row.pull_request ? JSON.parse(row.pull_request) : null;
  return {
    CI: 'true',
    REPRISE: 'true',
    REPRISE_PROJECT: row.project,
    REPRISE_BUILD: String(row.build),
    REPRISE_BUILD_URL: url,
    REPRISE_COMMIT: row.commit_sha,
    REPRISE_REF: row.ref,
    REPRISE_BRANCH: pullRequest ? '' : (row.branch ?? ''),
    REPRISE_TAG: row.tag ?? '',
    REPRISE_PULL_REQUEST: pullRequest ? String(pullRequest.number) : '',
    REPRISE_VERSION: row.version ?? '',
    REPRISE_JOB: row.job,
    REPRISE_ATTEMPT: String(row.number),
    SOURCE_DATE_EPOCH: String(row.commit_time ?? 0),
    TZ: 'UTC',
    LANG: 'C.UTF-8',
  };
}

type AssignedRow = Awaited<ReturnType<typeof assignedRow>>;

function assignedRow(db: Kysely<Database>, attempt: string) {
  return db
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .innerJoin('builds', 'builds.id', 'jobs.build_id')
    .innerJoin('projects', 'projects.id', 'builds.project_id')
    .select([
      'attempts.number',
      'jobs.name as job',
      'jobs.spec',
      'jobs.build_id',
      'jobs.deployment_id',
      'builds.project_id',
      'builds.number as build',
      'builds.commit_sha',
      'builds.commit_time',
      'builds.ref',
      'builds.branch',
      'builds.tag',
      'builds.tags',
      'builds.pull_request',
      'builds.version',
      'projects.name as project',
      'projects.clone_url',
    ])
    .where('attempts.id', '=', attempt)
    .executeTakeFirstOrThrow();
}

/** Exactly those that the job's steps name; none for a fork's pull request, whoever approved it. */
async function secretsFor(
  { db, vault }: Pick<Services, 'db' | 'vault'>,
  row: AssignedRow,
  job: PlannedJob,
): Promise<Record<string, string>> {
  const pullRequest: { fork: boolean } | null = row.pull_request ? JSON.parse(row.pull_request) : null;
  if (pullRequest?.fork) return {};
  const names = [...new Set(job.steps.flatMap(({ secrets = [] }) => secrets))];
  return revealSecrets(db, vault, { projectId: row.project_id, environment: null, names });
}

function inputsOf(db: Kysely<Database>, buildId: string, names: readonly string[]) {
  return db
    .selectFrom('artifacts')
    .select(['name', 'file_name as fileName', 'sha256', 'size'])
    .where('build_id', '=', buildId)
    .where('name', 'in', names)
    .orderBy('name')
    .execute();
}

/** Older projects may carry a user in their address; a password is refused when a project is made. */
function withoutCredentials(address: string): string {
  return address.replace(/^([a-z+]+:\/\/)[^/@]*@/i, (match, scheme) =>
    scheme === 'ssh://' ? match : scheme,
  );
}
