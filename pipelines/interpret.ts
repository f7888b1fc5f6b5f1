import type { z } from 'zod';
import { durationMs } from './duration.ts';
import type { freezeWindow } from './environment.schema.ts';
import type { JobFile, PipelineFile } from './file.schema.ts';
import { asList } from './lists.ts';
import type {
  CancelSuperseded,
  Environment,
  FreezeWindow,
  Haproxy,
  JobDefinition,
  Pipeline,
  StepDefinition,
  Triggers,
} from './model.ts';
import { tidyPath } from './paths.ts';
import type { Path, YamlFile } from './yaml-places.ts';

const DEFAULT_JOB_TIMEOUT = '60m';
const DEFAULT_HEALTH_TIMEOUT = '30s';

type StepFile = JobFile['steps'][number];
type EnvironmentFile = NonNullable<PipelineFile['environments']>[string];
type FreezeFile = z.infer<typeof freezeWindow>;

/** What a file that has been checked means, with every default filled in. */
export function interpret(written: PipelineFile, file: YamlFile): Pipeline {
  const { databases, ...app } = written.app ?? {};
  return {
    version: 1,
    app: databases === undefined ? app : { ...app, databases: asList(databases) },
    on: triggers(written.on),
    cancelSuperseded: toCancelSuperseded(written['cancel-superseded']),
    env: variables(written.env, ['env'], file),
    jobs: file.keys(['jobs']).flatMap((name) => {
      const job = written.jobs[name];
      return job === undefined ? [] : [toJob(name, job, file)];
    }),
    environments: file.keys(['environments']).flatMap((name) => {
      const environment = written.environments?.[name];
      return environment === undefined ? [] : [toEnvironment(name, environment)];
    }),
  };
}

function triggers(on: PipelineFile['on']): Triggers {
  const anyPush = { branches: null, tags: null, paths: null };
  const anyPullRequest = { branches: null, paths: null };
  if (on === undefined) return { push: anyPush, pullRequest: anyPullRequest, schedules: [] };
  if (typeof on === 'string' || Array.isArray(on)) {
    const events = asList(on);
    return {
      push: events.includes('push') ? anyPush : null,
      pullRequest: events.includes('pull_request') ? anyPullRequest : null,
      schedules: [],
    };
  }
  return {
    push: on.push === undefined ? null : { ...anyPush, ...lists(on.push) },
    pullRequest: on.pull_request === undefined ? null : { ...anyPullRequest, ...lists(on.pull_request) },
    schedules: (on.schedule ?? []).map(({ cron, timezone, branch }) => ({
      cron,
      timezone: timezone ?? 'UTC',
      branch: branch ?? null,
    })),
  };
}

function toCancelSuperseded(written: PipelineFile['cancel-superseded']): CancelSuperseded | null {
  if (written === undefined) return null;
  if (typeof written === 'string') return { builds: written, defaultBranch: false };
  return { builds: written.builds, defaultBranch: written['default-branch'] ?? false };
}

function lists(filters: Record<string, string | string[] | undefined> | null): Record<string, string[]> {
  const given = Object.entries(filters ?? {}).filter(([, patterns]) => patterns !== undefined);
  return Object.fromEntries(given.map(([key, patterns]) => [key, asList(patterns)]));
}

/** Values as they were typed, so that `PYTHON: 3.10` does not become 3.1. */
function variables(
  values: Record<string, string | number | boolean> | undefined,
  path: Path,
  file: YamlFile,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values ?? {}).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : file.typed([...path, name]),
    ]),
  );
}

function toJob(name: string, job: JobFile, file: YamlFile): JobDefinition {
  const path = ['jobs', name];
  return {
    name,
    ...(job.name === undefined ? {} : { title: job.name }),
    runsOn: job['runs-on'] === undefined ? ['linux'] : asList(job['runs-on']),
    needs: asList(job.needs),
    env: variables(job.env, [...path, 'env'], file),
    timeoutMs: milliseconds(job.timeout ?? DEFAULT_JOB_TIMEOUT),
    retry: job.retry ?? 0,
    workingDirectory: directory(job['working-directory']),
    network: job.network ?? 'egress',
    steps: job.steps.map((step, index) => toStep(step, [...path, 'steps', index], file)),
    artifacts: [...asList(job.artifact), ...asList(job.artifacts)].map((artifact) => ({
      name: artifact.name,
      paths: asList(artifact.paths).map(tidyPath),
      exclude: asList(artifact.exclude).map(tidyPath),
    })),
    inputs: asList(job.inputs),
    ...secretsOf(job),
    ...concurrencyOf(job),
    ...(job.priority === undefined ? {} : { priority: job.priority }),
  };
}

function concurrencyOf({ concurrency }: JobFile): Pick<JobDefinition, 'concurrency'> {
  if (concurrency === undefined) return {};
  const { group, limit = 1 } = typeof concurrency === 'string' ? { group: concurrency } : concurrency;
  return { concurrency: { group, limit } };
}

function toStep(step: StepFile, path: Path, file: YamlFile): StepDefinition {
  return {
    name: step.name ?? firstLine(step.run),
    run: step.run,
    env: variables(step.env, [...path, 'env'], file),
    timeoutMs: step.timeout === undefined ? null : milliseconds(step.timeout),
    workingDirectory: directory(step['working-directory']),
    shell: step.shell ?? null,
    network: step.network ?? null,
    ...secretsOf(step),
  };
}

/** Left out where there are none, as what came to the language later is, so that earlier plans stay the same. */
function secretsOf({ secrets }: { secrets?: string | string[] | undefined }): { secrets?: string[] } {
  return secrets === undefined ? {} : { secrets: asList(secrets) };
}

function toEnvironment(name: string, environment: EnvironmentFile): Environment {
  const { health } = environment;
  return {
    name,
    url: environment.url ?? null,
    path: environment.path.replace(/\/$/, ''),
    hosts: asList(environment.hosts),
    keep: environment.keep ?? 5,
    shared: (environment.shared ?? []).map(tidyPath),
    prepare: (environment.prepare ?? []).map(({ run, on }) => ({ run, on: on ?? 'all' })),
    restart: environment.restart ?? null,
    health:
      health === undefined
        ? null
        : {
            http: health.http ?? null,
            run: health.run ?? null,
            timeoutMs: milliseconds(health.timeout ?? DEFAULT_HEALTH_TIMEOUT),
          },
    requires: asList(environment.requires),
    approvals: environment.approvals ?? 0,
    batch: environment.batch ?? (environment.haproxy === undefined ? null : 1),
    branches: environment.branches === undefined ? null : asList(environment.branches),
    reproducible: environment.reproducible ?? null,
    freeze: asList(environment.freeze).map(toFreezeWindow),
    haproxy: environment.haproxy === undefined ? null : toHaproxy(environment.haproxy),
    secrets: asList(environment.secrets),
    jump: environment.jump ?? null,
  };
}

/** `check.ts` has let only complete pairs through. */
function toFreezeWindow({ from, to, cron, duration, ...rest }: FreezeFile): FreezeWindow {
  const reason = rest.reason ?? null;
  if (cron !== undefined) return { cron, durationMs: milliseconds(duration ?? ''), reason };
  return { from: toInstant(from), to: toInstant(to), reason };
}

function toInstant(written = ''): string {
  return new Date(written).toISOString();
}

function toHaproxy({ socket, backend, server }: NonNullable<EnvironmentFile['haproxy']>): Haproxy {
  return { sockets: asList(socket), backend, server: server ?? '{name}' };
}

/** The root of the workspace, however it was written, is null. */
function directory(path: string | undefined): string | null {
  const tidy = tidyPath(path ?? '.').replace(/\/$/, '');
  return tidy === '.' ? null : tidy;
}

/** A step without a name is called like its script's first line. */
function firstLine(script: string): string {
  const line = script.trim().split(/[\r\n]/, 1)[0] ?? '';
  const clean = line.replace(/[\x00-\x1f\x7f]+/g, ' ');
  const letters = Array.from(clean);
  return letters.length <= 80 ? clean : `${letters.slice(0, 79).join('')}…`;
}

/** The schema has let only durations through. */
function milliseconds(duration: string): number {
  return durationMs(duration) ?? 0;
}
