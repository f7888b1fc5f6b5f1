import type { PlannedJob } from '@reprise/pipelines/model.ts';
import { isFinal, type Status } from '@reprise/pipelines/status.ts';
import {
  type Artifact,
  type Attempt,
  type Build,
  iso,
  type Job,
  type Reproducibility,
  type Step,
} from '../api.ts';
import { reproducibility } from '../artifacts/compare.ts';
import { situation } from '../queue/situation.ts';
import { whyWaiting } from '../queue/why.ts';
import type { Services } from '../services.ts';
import { artifactsOf, attemptsOf, jobsOf, type NamedBuild, type ShownBuild, stepsOf } from './build.store.ts';
import { reproduced } from './reproduced.ts';

type Needed = Pick<Services, 'reader' | 'logs' | 'blobs' | 'publicUrl' | 'queue' | 'config' | 'now' | 'disk'>;

/**
 * Builds of one project as a list shows them, in the given order: whole, but for the files that differ between builds of a
 * commit. The number of queries does not grow with the builds'.
 */
export async function viewBuilds(
  services: Needed,
  project: string,
  builds: readonly ShownBuild[],
): Promise<Build[]> {
  const rows = await rowsOf(services, builds);
  const compared = await reproduced(
    services.reader,
    builds.filter(({ id }) => rows.artifacts.has(id)),
  );
  return Promise.all(
    builds.map((build) => view(services, project, build, { rows, compared: compared.get(build.id) })),
  );
}

/** Builds of several projects as a list shows them, in the given order. */
export async function viewNamedBuilds(services: Needed, builds: readonly NamedBuild[]): Promise<Build[]> {
  const shown = new Map<NamedBuild, Build>();
  for (const [project, own] of Map.groupBy(builds, ({ project }) => project)) {
    const views = await viewBuilds(services, project, own);
    for (const [at, build] of own.entries()) if (views[at]) shown.set(build, views[at]);
  }
  return builds.flatMap((build) => shown.get(build) ?? []);
}

/** One build as the API shows it. */
export async function viewBuild(services: Needed, project: string, build: ShownBuild): Promise<Build> {
  return view(services, project, build, { rows: await rowsOf(services, [build]) });
}

/** What belongs to builds, in one snapshot, so that a job and its attempts are of the same moment. */
async function rowsOf(services: Needed, builds: readonly ShownBuild[]) {
  const ids = builds.map(({ id }) => id);
  const rows = await services.reader.transaction().execute(async (trx) => ({
    jobs: await jobsOf(trx, ids),
    attempts: Map.groupBy(await attemptsOf(trx, ids), ({ job_id }) => job_id),
    steps: Map.groupBy(await stepsOf(trx, ids), ({ job_id }) => job_id),
    artifacts: Map.groupBy(await artifactsOf(trx, ids), ({ build_id }) => build_id),
  }));
  const jobs = await withWhyTheyWait(services, rows.jobs);
  return { ...rows, jobs: Map.groupBy(jobs, ({ build_id }) => build_id) };
}

/** A job that may be claimed waits for a runner: why is not recorded, as it depends on who is connected at the moment. */
async function withWhyTheyWait(services: Needed, jobs: JobRow[]): Promise<JobRow[]> {
  if (!jobs.some(({ ready }) => ready === 1)) return jobs;
  const seen = await situation(services);
  return jobs.map((job) =>
    job.ready === 1 && job.why === '' ? { ...job, why: whyWaiting(job, seen) } : job,
  );
}

async function view(
  services: Needed,
  project: string,
  build: ShownBuild,
  o: { rows: Awaited<ReturnType<typeof rowsOf>>; compared?: Map<string, Reproducibility> | undefined },
): Promise<Build> {
  const { jobs, attempts, steps, artifacts } = o.rows;
  const waits =
    build.status === 'queued' ? jobs.get(build.id)?.find(({ why }) => why !== '')?.why : undefined;
  const facts = viewFacts(project, build);
  return {
    ...facts,
    why: facts.why || waits || '',
    jobs: await Promise.all(
      (jobs.get(build.id) ?? []).map((job) =>
        viewJob(services, job, { attempts: attempts.get(job.id) ?? [], steps: steps.get(job.id) ?? [] }),
      ),
    ),
    artifacts: await viewArtifacts(services, project, build, artifacts.get(build.id) ?? [], o.compared),
  };
}

function viewFacts(project: string, build: ShownBuild): Omit<Build, 'jobs' | 'artifacts'> {
  return {
    project,
    number: build.number,
    status: build.status,
    commit: build.commit_sha,
    ref: build.ref,
    branch: build.branch,
    tag: build.tag,
    pullRequest: build.pull_request === null ? null : JSON.parse(build.pull_request),
    message: build.message,
    author: { name: build.author_name, email: build.author_email },
    trigger: { kind: build.trigger_kind, by: build.trigger_by, reason: build.trigger_reason },
    rebuildOf: build.rebuild_of,
    version: build.version,
    pipelineFrom: build.pipeline_from,
    why: build.why,
    queuedAt: iso(build.queued_at),
    startedAt: iso(build.started_at),
    finishedAt: iso(build.finished_at),
    pinned:
      build.pinned_at === null
        ? null
        : { by: build.pinned_by, at: iso(build.pinned_at), reason: build.pinned_reason },
    removed: build.removed_at === null ? null : { at: iso(build.removed_at), why: build.removed_why },
  };
}

type JobRow = Awaited<ReturnType<typeof jobsOf>>[number];
type AttemptRow = Awaited<ReturnType<typeof attemptsOf>>[number];
type StepRow = Awaited<ReturnType<typeof stepsOf>>[number];
type ArtifactRow = Awaited<ReturnType<typeof artifactsOf>>[number];

async function viewJob(
  services: Needed,
  job: JobRow,
  tried: { attempts: AttemptRow[]; steps: StepRow[] },
): Promise<Job> {
  const attempts = await Promise.all(tried.attempts.map((attempt) => viewAttempt(services, attempt)));
  const latest = attempts.at(-1);
  return {
    name: job.name,
    status: job.status,
    needs: JSON.parse(job.needs),
    runner: latest?.runner ?? null,
    attempt: job.attempt,
    attempts,
    why: job.why,
    queuedAt: iso(job.queued_at),
    startedAt: iso(job.started_at),
    finishedAt: iso(job.finished_at),
    logSize: latest?.logSize ?? 0,
    steps: job.spec === null ? tried.steps.map(viewStep) : plannedSteps(JSON.parse(job.spec), job.status),
  };
}

async function viewAttempt({ logs }: Needed, attempt: AttemptRow): Promise<Attempt> {
  return {
    number: attempt.number,
    status: attempt.status,
    runner: attempt.runner_name,
    startedAt: iso(attempt.claimed_at),
    finishedAt: iso(attempt.finished_at),
    // The row learns the size when the attempt ends; until then the log itself knows.
    logSize: attempt.status === 'running' ? await logs.size(attempt.id) : attempt.log_size,
    why: attempt.why,
  };
}

function viewStep(step: StepRow): Step {
  return {
    name: step.name,
    status: step.status,
    exitCode: step.exit_code,
    startedAt: iso(step.started_at),
    finishedAt: iso(step.finished_at),
    logOffset: step.log_offset,
  };
}

/** Before the first attempt: what is to come, or what will never be. */
function plannedSteps({ steps }: PlannedJob, job: Status): Step[] {
  const status = isFinal(job) ? 'skipped' : 'queued';
  const nothing = { exitCode: null, startedAt: null, finishedAt: null, logOffset: null };
  return steps.map(({ name }) => ({ name, status, ...nothing }));
}

/** Artifacts of one build as the API shows them; compared with those of other builds unless that was done already. */
export async function viewArtifacts(
  services: Pick<Needed, 'reader' | 'blobs' | 'publicUrl'>,
  project: string,
  build: ShownBuild,
  artifacts: readonly ArtifactRow[],
  compared?: Map<string, Reproducibility>,
): Promise<Artifact[]> {
  if (artifacts.length === 0) return [];
  const results = compared ?? (await reproducibility(services, build));
  const base = `${services.publicUrl()}/api/projects/${project}/builds/${build.number}/artifacts`;
  return artifacts.map((artifact) => ({
    name: artifact.name,
    fileName: artifact.file_name,
    version: build.version ?? '',
    sha256: artifact.sha256,
    treeSha256: artifact.tree_sha256,
    size: artifact.size,
    url: `${base}/${encodeURIComponent(artifact.file_name)}`,
    reproducibility: results.get(artifact.name) ?? {
      state: 'unverified',
      comparedWith: null,
      differences: [],
    },
  }));
}
