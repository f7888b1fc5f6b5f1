import { EXPRESSION_START, expressionProblems, inScriptMessage } from './expressions.ts';
import type { JobFile, PipelineFile } from './file.schema.ts';
import { serverName } from './hosts.ts';
import type { Located } from './issues.ts';
import { asList } from './lists.ts';
import { didYouMean } from './nearest.ts';
import { allNeeds, orderByNeeds } from './order.ts';
import type { Path } from './yaml-places.ts';

type EnvironmentFile = NonNullable<PipelineFile['environments']>[string];

/** What must hold between the parts of a file, each of which is well-formed: names that exist, no circles, and so on. */
export function check(file: PipelineFile): Located[] {
  return [
    ...checkReferences('jobs', 'needs', file.jobs, (job) => job.needs),
    ...checkArtifacts(file.jobs),
    ...checkReferences('environments', 'requires', file.environments ?? {}, (place) => place.requires),
    ...checkEnvironments(file),
    ...checkExpressions(file, []),
  ];
}

/** `needs` between jobs, `requires` between environments. */
function checkReferences<T>(
  kind: 'jobs' | 'environments',
  key: 'needs' | 'requires',
  items: Readonly<Record<string, T>>,
  read: (item: T) => string | readonly string[] | undefined,
): Located[] {
  const names = Object.keys(items);
  const noun = kind.slice(0, -1);
  const nodes = Object.entries(items).map(([name, item]) => ({ name, needs: asList(read(item)) }));
  const unknown = nodes.flatMap(({ name, needs }) =>
    needs.flatMap((need, index) => {
      if (Object.hasOwn(items, need)) return [];
      const message = `there is no ${noun} ${JSON.stringify(need)}${didYouMean(need, names)}`;
      return [{ path: [kind, name, key, index], message }];
    }),
  );
  if (unknown.length > 0) return unknown;
  const { cycle } = orderByNeeds(nodes);
  if (cycle === null) return [];
  const message = `these ${kind} wait for each other: ${cycle.join(' -> ')}`;
  return [{ path: [kind, cycle[0] ?? '', key], key: true, message }];
}

function checkArtifacts(jobs: Readonly<Record<string, JobFile>>): Located[] {
  const makerOf = new Map<string, string>();
  const problems: Located[] = [];
  for (const [job, definition] of Object.entries(jobs)) {
    if (definition.artifact !== undefined && definition.artifacts !== undefined) {
      const message = `job ${JSON.stringify(job)} has both artifact and artifacts; keep one of them`;
      problems.push({ path: ['jobs', job, 'artifacts'], key: true, message });
    }
    for (const { name, path } of artifactsOf(job, definition)) {
      const other = makerOf.get(name);
      if (other === undefined) makerOf.set(name, job);
      else
        problems.push({ path, message: `artifact ${JSON.stringify(name)} is already made by job ${other}` });
    }
  }
  return [...problems, ...checkInputs(jobs, makerOf)];
}

function artifactsOf(job: string, definition: JobFile): { name: string; path: Path }[] {
  const single = definition.artifact;
  return [
    ...(single === undefined ? [] : [{ name: single.name, path: ['jobs', job, 'artifact', 'name'] }]),
    ...asList(definition.artifacts).map(({ name }, index) => ({
      name,
      path: ['jobs', job, 'artifacts', index, 'name'],
    })),
  ];
}

/** An input must be an artifact of a job that has surely passed before: one that is needed, directly or not. */
function checkInputs(
  jobs: Readonly<Record<string, JobFile>>,
  makerOf: ReadonlyMap<string, string>,
): Located[] {
  const needsOf = (name: string) => (Object.hasOwn(jobs, name) ? asList(jobs[name]?.needs) : []);
  return Object.entries(jobs).flatMap(([job, definition]) => {
    const inputs = asList(definition.inputs);
    const needed = inputs.length === 0 ? new Set<string>() : allNeeds(job, needsOf);
    return inputs.flatMap((input, index) => {
      const path = ['jobs', job, 'inputs', index];
      const maker = makerOf.get(input);
      if (maker === undefined) {
        const message = `no job makes an artifact ${JSON.stringify(input)}${didYouMean(input, makerOf.keys())}`;
        return [{ path, message }];
      }
      if (maker === job) return [{ path, message: `job ${JSON.stringify(job)} makes ${input} itself` }];
      if (needed.has(maker)) return [];
      const message = `${input} is made by job ${maker}, which is not needed; add needs: [${maker}]`;
      return [{ path, message }];
    });
  });
}

function checkEnvironments(file: PipelineFile): Located[] {
  return Object.entries(file.environments ?? {}).flatMap(([name, environment]) => {
    const { health, hosts, batch } = environment;
    const path = ['environments', name];
    const problems = [...checkFreeze(path, environment.freeze), ...checkServers(path, environment)];
    if (health !== undefined && (health.http === undefined) === (health.run === undefined)) {
      problems.push({ path: [...path, 'health'], key: true, message: 'health must have either http or run' });
    }
    const count = asList(hosts).length;
    if (batch !== undefined && batch > count) {
      const message = `batch is ${batch}, but there ${count === 1 ? 'is only 1 host' : `are only ${count} hosts`}`;
      problems.push({ path: [...path, 'batch'], message });
    }
    return problems;
  });
}

function checkFreeze(path: Path, freeze: EnvironmentFile['freeze']): Located[] {
  return asList(freeze).flatMap((window, index) => {
    const at = Array.isArray(freeze) ? [...path, 'freeze', index] : [...path, 'freeze'];
    const { from, to, cron, duration } = window;
    const isOnce = from !== undefined && to !== undefined && cron === undefined && duration === undefined;
    const isAgain = from === undefined && to === undefined && cron !== undefined && duration !== undefined;
    if (!isOnce && !isAgain) {
      return [{ path: at, message: 'a freeze must have either from and to, or cron and duration' }];
    }
    if (!isOnce || Date.parse(from) < Date.parse(to)) return [];
    return [
      { path: [...at, 'to'], message: 'a freeze must end after it begins: to must be later than from' },
    ];
  });
}

/** Two hosts that are one server to HAProxy would both be switched while the other still takes requests. */
function checkServers(path: Path, { haproxy, hosts }: EnvironmentFile): Located[] {
  if (haproxy === undefined) return [];
  const names = asList(hosts).map((host, index) => serverName(haproxy.server ?? '{name}', host, index));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return [];
  const message = `two hosts would both be HAProxy's server ${JSON.stringify(twice)}; give each a name with server, such as web-{number}`;
  return [{ path: [...path, 'haproxy'], key: true, message }];
}

/** Expressions may stand in the names of jobs and steps, in concurrency groups and in values of `env`, and nowhere else. */
function checkExpressions(value: unknown, path: Path): Located[] {
  if (typeof value === 'string') return value.includes('${') ? checkText(value, path) : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    checkExpressions(inner, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

function checkText(text: string, path: Path): Located[] {
  if (!text.includes(EXPRESSION_START)) return [];
  if (mayHoldExpressions(path)) {
    return expressionProblems(text).map((problem) => ({ path, ...problem }));
  }
  const isScript = ['run', 'restart'].includes(String(path.at(-1)));
  const message = isScript
    ? inScriptMessage(text)
    : 'expressions can only stand in the names of jobs and steps, in concurrency groups and in values of env';
  return [{ path, within: EXPRESSION_START, message }];
}

function mayHoldExpressions(path: Path): boolean {
  const [top, , third, , fifth] = path;
  if (top === 'env') return true;
  if (top !== 'jobs') return false;
  if (third === 'env') return true;
  if (third === 'name') return path.length === 3;
  if (third === 'concurrency') return true;
  return third === 'steps' && (fifth === 'env' || (fifth === 'name' && path.length === 5));
}
