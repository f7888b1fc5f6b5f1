import { type Fact, resolve } from './expressions.ts';
import type { BuildFacts, JobDefinition, Pipeline, Plan, PlannedJob, StepDefinition } from './model.ts';
import { orderByNeeds } from './order.ts';
import type { Problem } from './problem.ts';
import { isSmall } from './variables.ts';

/** The protocol's limit on a step's name; a long branch name in it is cut. */
const LONGEST_NAME = 200;

/**
 * Resolves a pipeline for one build: expressions replaced by the build's facts, the file's `env` merged below each job's,
 * the job's working directory and network filled into its steps, and every job behind the jobs it needs, apart from that
 * in the file's order. The same input gives the same JSON, byte for byte.
 *
 * Problems are what only this build's facts bring about, so they have no place of their own in the file.
 */
export function planBuild(
  pipeline: Pipeline,
  facts: BuildFacts,
): { plan: Plan; problems: [] } | { plan: null; problems: Problem[] } {
  const { order, cycle } = orderByNeeds(pipeline.jobs);
  if (order === null) return refused([`these jobs wait for each other: ${cycle.join(' -> ')}`]);
  const jobs = order.map((job) => planJob(job, pipeline, facts));
  const tooLarge = jobs.flatMap((job) =>
    [job.env, ...job.steps.map((step) => step.env)].every(isSmall)
      ? []
      : [`the env of job ${JSON.stringify(job.name)} is too large once this build's facts are filled in`],
  );
  if (tooLarge.length > 0) return refused(tooLarge);
  const { cancelSuperseded } = pipeline;
  return { plan: { version: 1, jobs, ...(cancelSuperseded && { cancelSuperseded }) }, problems: [] };
}

function planJob(job: JobDefinition, pipeline: Pipeline, facts: BuildFacts): PlannedJob {
  const values = factValues(facts, job.name);
  const fill = (env: Record<string, string>) =>
    Object.fromEntries(Object.entries(env).map(([name, text]) => [name, resolve(text, values)]));
  const title = (text: string) => Array.from(resolve(text, values)).slice(0, LONGEST_NAME).join('');
  const { concurrency, ...rest } = job;
  return {
    ...rest,
    ...groupOf(concurrency, title),
    ...(job.title === undefined ? {} : { title: title(job.title) }),
    env: fill({ ...pipeline.env, ...job.env }),
    steps: job.steps.map((step) => ({
      ...step,
      name: title(step.name),
      env: fill(step.env),
      workingDirectory: step.workingDirectory ?? job.workingDirectory,
      network: step.network ?? job.network,
      ...secretsOf(job, step),
    })),
  };
}

/** A group whose facts are all empty for this build, such as the branch of a tag, is none. */
function groupOf(
  concurrency: JobDefinition['concurrency'],
  fill: (text: string) => string,
): Pick<PlannedJob, 'concurrency'> {
  const group = fill(concurrency?.group ?? '').trim();
  return concurrency === undefined || group === '' ? {} : { concurrency: { ...concurrency, group } };
}

function secretsOf(job: JobDefinition, step: StepDefinition): { secrets?: string[] } {
  const names = new Set([...(job.secrets ?? []), ...(step.secrets ?? [])]);
  return names.size === 0 ? {} : { secrets: [...names].sort() };
}

function factValues(facts: BuildFacts, job: string): Record<Fact, string> {
  return {
    'build.project': facts.project,
    'build.number': String(facts.number),
    'build.url': facts.url,
    'build.commit': facts.commit,
    'build.ref': facts.ref,
    'build.branch': facts.branch,
    'build.tag': facts.tag,
    'build.pull-request': facts.pullRequest,
    'build.version': facts.version,
    'job.name': job,
  };
}

function refused(messages: string[]): { plan: null; problems: Problem[] } {
  return { plan: null, problems: messages.map((message) => ({ line: 1, column: 1, message })) };
}
