import { createHash } from 'node:crypto';
import type { BuildFacts, Pipeline, Plan, Schedule } from '@reprise/pipelines/model.ts';
import { parsePipeline } from '@reprise/pipelines/parse.ts';
import { planBuild } from '@reprise/pipelines/plan.ts';
import { formatProblem, PIPELINE_FILE, type Problem } from '@reprise/pipelines/problem.ts';
import type { Build, Project } from '../db/schema.ts';
import type { Inspection } from '../git/inspect.ts';
import type { Services } from '../services.ts';
import { bringCommit, type Circumstances } from './bring-commit.ts';
import { buildUrl } from './build-url.ts';
import { decideBuild } from './decide-build.ts';
import { type PipelinePlace, pipelinePlaces } from './pipeline-places.ts';

/** What planning a build came to. `record` is what is kept of the commit, whatever came of it. */
export type Planning =
  | { kind: 'planned'; plan: Plan; record: Partial<Build>; pushed?: PushedSchedules }
  | { kind: 'skipped'; why: string; record: Partial<Build>; pushed?: PushedSchedules }
  /** `log` is shown as the log of the one job, `pipeline`, that such a build has. */
  | { kind: 'failed' | 'errored'; why: string; log: string; record: Partial<Build> }
  /** Neither mirror nor upstream has the commit. It may yet arrive: forges announce pushes before every replica has them. */
  | { kind: 'missing' };

/** What the file of a pushed commit says of schedules: it counts where that branch is the default branch. */
export interface PushedSchedules {
  branch: string;
  commit: string;
  schedules: Schedule[];
}

type Needed = Pick<Services, 'mirrors' | 'publicUrl'>;

/** Bytes of a pipeline file: more was not written by a person. */
export const LARGEST_FILE = 1024 ** 2;

/**
 * Finds out what a build consists of: brings its commit into the mirror and pins it, reads the pipeline file at that commit
 * (or where it must be read instead), asks its filters, and plans. A recorded plan, of a rebuild, is taken as it is.
 * Writes nothing but the mirror. Throws `MirrorFault` where the upstream cannot be fetched, which may be better later, and
 * ends early, throwing, when `signal` is aborted.
 */
export async function planOf(
  services: Needed,
  project: Project,
  build: Build,
  circumstances: Circumstances,
): Promise<Planning> {
  const { mirrors } = services;
  if (build.plan !== null && (await mirrors.has(project, build.commit_sha))) {
    await mirrors.pin(project, build.commit_sha);
    return recorded(build.plan);
  }
  const places = await pipelinePlaces(mirrors, project, build);
  const look = {
    tag: build.tag,
    file: PIPELINE_FILE,
    fileAt: places.map(({ at }) => at),
    maxBytes: LARGEST_FILE,
  };
  let seen = await bringCommit(mirrors, project, build, { ...look, ...circumstances });
  if (!seen) return { kind: 'missing' };
  if (build.plan !== null) return recorded(build.plan);
  if (places.length > 1 && seen.file?.from !== build.commit_sha && !seen.tooLarge) {
    // The file may be on the default branch, whose copy here may be old. Without the upstream that copy must do.
    await mirrors.fetch(project, { signal: circumstances.signal }).catch(() => {});
    seen = (await mirrors.inspect(project, build.commit_sha, look)) ?? seen;
  }
  return planSeen(services, project, build, { seen, places });
}

function recorded(plan: string): Planning {
  return { kind: 'planned', plan: JSON.parse(plan), record: {} };
}

async function planSeen(
  services: Needed,
  project: Project,
  build: Build,
  { seen, places }: { seen: Inspection; places: PipelinePlace[] },
): Promise<Planning> {
  const { file } = seen;
  const record = recordOf(build, seen);
  if (!file) {
    const why = whyNoFile(build, seen, places);
    return { kind: 'failed', why, log: `${why}\n`, record };
  }
  record.pipeline_from = await nameOf(services, project, { file, places });
  const { pipeline, problems } = parsePipeline(file.bytes);
  if (!pipeline) return failedBy(problems, record);
  const headSubject = seen.commit.subject;
  const decision = await decideBuild(services.mirrors, project, build, { on: pipeline.on, headSubject });
  const pushed = pushedSchedules(build, pipeline);
  if (!decision.build) return { kind: 'skipped', why: decision.why, record, ...pushed };
  const planned = planBuild(pipeline, factsOf(services, project, build, seen));
  if (!planned.plan) return failedBy(planned.problems, record);
  return { kind: 'planned', plan: planned.plan, record, ...pushed };
}

function pushedSchedules(build: Build, { on }: Pipeline): { pushed?: PushedSchedules } {
  const { branch, commit_sha: commit } = build;
  if (build.trigger_kind !== 'push' || branch === null) return {};
  return { pushed: { branch, commit, schedules: on.schedules } };
}

/** Facts of the commit, so that a rebuild sees the same. What the delivery said of it stays as it was said. */
function recordOf(build: Build, { commit, version, tags }: Inspection): Partial<Build> {
  return {
    version,
    commit_time: commit.committerTime,
    tags: JSON.stringify(tags),
    ...(build.message === '' ? { message: commit.message } : {}),
    ...(build.author_name === '' && build.author_email === ''
      ? { author_name: commit.authorName, author_email: commit.authorEmail }
      : {}),
  };
}

function factsOf(services: Needed, project: Project, build: Build, seen: Inspection): BuildFacts {
  const pullRequest = build.pull_request === null ? '' : String(JSON.parse(build.pull_request).number);
  return {
    project: project.name,
    number: build.number,
    url: buildUrl(services, project.name, build.number),
    commit: build.commit_sha,
    ref: build.ref,
    branch: build.branch ?? '',
    tag: build.tag ?? '',
    pullRequest,
    version: seen.version,
    sourceDateEpoch: seen.commit.committerTime,
  };
}

/** `commit`, or such as `branch main (1a2b3c4d5e6f)`. */
async function nameOf(
  { mirrors }: Needed,
  project: Project,
  { file, places }: { file: { from: string; commit: string }; places: PipelinePlace[] },
): Promise<string> {
  const place = places.find(({ at }) => at === file.from);
  if (!place?.name) return 'commit';
  const branch = place.at === 'HEAD' ? await mirrors.defaultBranch(project) : null;
  return `${branch === null ? place.name : `branch ${branch}`} (${file.commit.slice(0, 12)})`;
}

function failedBy(problems: readonly Problem[], record: Partial<Build>): Planning {
  const lines = problems.map((problem) => formatProblem(PIPELINE_FILE, problem));
  const more = lines.length > 1 ? ` (and ${lines.length - 1} more, see the log)` : '';
  const from = record.pipeline_from === 'commit' ? '' : ` Read on ${record.pipeline_from}.`;
  return {
    kind: 'failed',
    why: `${lines[0]}${more}${from}`,
    log: `The pipeline file cannot be used.${from}\n${lines.join('\n')}\n`,
    record,
  };
}

function whyNoFile(build: Build, seen: Inspection, places: PipelinePlace[]): string {
  const commit = build.commit_sha.slice(0, 12);
  if (seen.tooLarge) {
    return `${PIPELINE_FILE} at ${commit} is larger than ${LARGEST_FILE / 1024 ** 2} MiB: move long scripts to files of their own.`;
  }
  if (places.length === 0) {
    const asked = build.pipeline_ref ?? JSON.parse(build.pull_request ?? '{}').base;
    return `${asked}, whose pipeline file was to be used, does not exist any more.`;
  }
  const where = places.map(({ at, name }) => (name === null ? at.slice(0, 12) : name)).join(' nor on ');
  return (
    `There is no ${PIPELINE_FILE} at ${where}. Add one: run "npx reprise init" in the repository, ` +
    'look at what it wrote, commit it to the default branch and push.'
  );
}

/** What tells builds with the same plan from others. */
export function planDigest(plan: string): string {
  return createHash('sha256').update(plan).digest('hex');
}
