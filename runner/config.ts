import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join, normalize, relative, resolve } from 'node:path';
import { nearest } from '@reprise/pipelines/nearest.ts';
import { levels } from 'pino';
import { DEFAULT_STEP_ENV, passThrough } from './pass-through.ts';

export type SandboxKind = 'auto' | 'bubblewrap' | 'container' | 'host';

/** The runner's settings, read once from the environment. Sizes are bytes. */
export interface RunnerConfig {
  /** The server's address without a trailing slash. */
  readonly server: string;
  /** Reveals the token that it was given; a function, so that printing the settings never does. null: it has one of its own. */
  readonly token: () => string | null;
  /** Reveals what it registers itself with; null: it was registered before. */
  readonly registration: () => string | null;
  /** As what it registers itself; null: as its host is called. */
  readonly name: string | null;
  readonly dataDir: string;
  /** `null`: those given when the runner was added. */
  readonly labels: readonly string[] | null;
  readonly capacity: number;
  readonly sandbox: SandboxKind;
  /** What steps see of the runner's own environment: names and values. */
  readonly stepEnv: Readonly<Record<string, string>>;
  /** Read-only host paths that steps see at the same place. */
  readonly stepMounts: readonly string[];
  readonly stepPath: string;
  readonly minFreeDisk: number;
  /** The least important message of the operator's log that is written. */
  readonly logLevel: string;
  /** What the runner's own git sees of the environment: where programs and certificates are. */
  readonly gitEnv: Readonly<Record<string, string>>;
}

export type ParsedConfig =
  | { config: RunnerConfig; problems: []; warnings: string[] }
  | { config: null; problems: string[]; warnings: string[] };

export const DEFAULT_STEP_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const KINDS: readonly string[] = ['auto', 'bubblewrap', 'container', 'host'];
const LABEL = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const GIB = 1024 ** 3;

const GIT_ENV = ['PATH', 'GIT_SSL_CAINFO', 'GIT_SSL_CAPATH', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];

const KNOWN = [
  'REPRISE_SERVER',
  'REPRISE_RUNNER_TOKEN',
  'REPRISE_RUNNER_REGISTRATION',
  'REPRISE_RUNNER_NAME',
  'REPRISE_DATA_DIR',
  'REPRISE_LABELS',
  'REPRISE_CAPACITY',
  'REPRISE_SANDBOX',
  'REPRISE_STEP_ENV',
  'REPRISE_STEP_MOUNTS',
  'REPRISE_STEP_PATH',
  'REPRISE_MIN_FREE_DISK',
  'REPRISE_LOG_LEVEL',
];

/** Read by the server and the command; known, so that one environment may serve both. */
const OTHERS =
  /^REPRISE_(HOST|PORT|URL|ADMIN_TOKEN|SECRET_KEY|GITHUB_\w+|GIT_PROTOCOLS|LOCAL_DEPLOY_ROOT|EMBEDDED_RUNNERS|TRUST_PROXY|LOG_LIMIT|PROBE_MINUTES|LOOK_MINUTES|QUEUE_TIMEOUT|DRAIN_SECONDS|DISK_LOW|RETENTION_\w+|TOKEN|TEST_\w+)$/;

/** Reads every setting and reports all problems together. An unknown `REPRISE_…` name is a warning with the nearest one. */
export function parseRunnerConfig(env: NodeJS.ProcessEnv): ParsedConfig {
  const problems: string[] = [];
  const text = (name: string): string | null => env[name]?.trim() || null;
  const needed = (name: string, what: string): string => {
    const value = text(name);
    if (value === null) problems.push(`${name} is missing: set it to ${what}.`);
    return value ?? '';
  };

  const server = address(needed('REPRISE_SERVER', "the server's address"), problems);
  const dataDir = resolve(text('REPRISE_DATA_DIR') ?? './data');
  const token = text('REPRISE_RUNNER_TOKEN');
  const registration = text('REPRISE_RUNNER_REGISTRATION');
  if (token === null && registration === null && !existsSync(join(dataDir, 'token')))
    problems.push(
      'REPRISE_RUNNER_TOKEN is missing: set it to the token shown when the runner was added, or REPRISE_RUNNER_REGISTRATION as the server has it.',
    );
  const name = text('REPRISE_RUNNER_NAME');
  if (name !== null && !LABEL.test(name))
    problems.push(
      `REPRISE_RUNNER_NAME: "${name}" is not a name; use lower-case letters, digits, ".", "_", "-".`,
    );
  const sandbox = text('REPRISE_SANDBOX') ?? 'auto';
  if (!KINDS.includes(sandbox))
    problems.push(`REPRISE_SANDBOX must be one of ${KINDS.join(', ')}, not "${sandbox}".`);
  const stepMounts = mounts(text('REPRISE_STEP_MOUNTS'), dataDir, problems);
  const names = stepEnvNames(text('REPRISE_STEP_ENV'), problems);

  const config: RunnerConfig = {
    server,
    token: () => token,
    registration: () => registration,
    name,
    dataDir,
    labels: labels(text('REPRISE_LABELS'), problems),
    capacity: capacity(text('REPRISE_CAPACITY'), problems),
    sandbox: sandbox as SandboxKind,
    stepEnv: Object.freeze(passThrough(env, names, stepMounts)),
    stepMounts: Object.freeze(stepMounts),
    stepPath: stepPath(text('REPRISE_STEP_PATH'), problems),
    minFreeDisk: size('REPRISE_MIN_FREE_DISK', text('REPRISE_MIN_FREE_DISK'), GIB, problems),
    logLevel: logLevel(text('REPRISE_LOG_LEVEL') ?? 'info', problems),
    gitEnv: Object.freeze(pick(env, GIT_ENV)),
  };
  const warnings = unknownNames(env);
  if (problems.length > 0) return { config: null, problems, warnings };
  return { config: Object.freeze(config), problems: [], warnings };
}

function address(value: string, problems: string[]): string {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.search && !url.hash)
    return url.href.replace(/\/+$/, '');
  if (value !== '')
    problems.push(`REPRISE_SERVER must be an address such as https://ci.example.com, not "${value}".`);
  return '';
}

function capacity(value: string | null, problems: string[]): number {
  const number = Number(value ?? 1);
  if (Number.isInteger(number) && number >= 1 && number <= 256) return number;
  problems.push(`REPRISE_CAPACITY must be a whole number from 1 to 256, not "${value}".`);
  return 1;
}

function labels(value: string | null, problems: string[]): string[] | null {
  if (value === null) return null;
  const list = items(value);
  for (const label of list.filter((name) => !LABEL.test(name)))
    problems.push(
      `REPRISE_LABELS: "${label}" is not a label; use lower-case letters, digits, ".", "_", "-".`,
    );
  if (list.length > 32) problems.push(`REPRISE_LABELS lists ${list.length} labels; 32 are possible.`);
  return list;
}

function stepEnvNames(value: string | null, problems: string[]): readonly string[] {
  if (value === null) return DEFAULT_STEP_ENV;
  const names = items(value);
  for (const name of names) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      problems.push(`REPRISE_STEP_ENV: "${name}" is not the name of a variable.`);
    else if (name.startsWith('REPRISE_'))
      problems.push(`REPRISE_STEP_ENV: ${name} is the runner's own and never reaches a step.`);
  }
  return names;
}

function mounts(value: string | null, dataDir: string, problems: string[]): string[] {
  const list = (value ?? '').split(/[:,\s]+/).filter(Boolean);
  return list.map((path) => {
    const source = normalize(path).replace(/(.)\/+$/, '$1');
    if (!isAbsolute(path)) problems.push(`REPRISE_STEP_MOUNTS: "${path}" must be an absolute path.`);
    else if (!relative(source, dataDir).startsWith('..') || !relative(dataDir, source).startsWith('..'))
      problems.push(`REPRISE_STEP_MOUNTS: ${path} would show the runner's own data to steps.`);
    else if (!statSync(source, { throwIfNoEntry: false }))
      problems.push(`REPRISE_STEP_MOUNTS: ${path} does not exist on this machine.`);
    return source;
  });
}

function stepPath(value: string | null, problems: string[]): string {
  const path = value ?? DEFAULT_STEP_PATH;
  for (const part of path.split(':').filter((entry) => !isAbsolute(entry)))
    problems.push(`REPRISE_STEP_PATH: "${part}" must be an absolute path.`);
  return path;
}

const UNITS: Record<string, number> = { '': 1, K: 1024, M: 1024 ** 2, G: GIB, T: 1024 * GIB };

function size(name: string, value: string | null, fallback: number, problems: string[]): number {
  if (value === null) return fallback;
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(value);
  const unit = UNITS[match?.[2]?.toUpperCase() ?? ''];
  if (match && unit) return Math.round(Number(match[1]) * unit);
  problems.push(`${name} must be a size such as 500M or 2G, not "${value}".`);
  return fallback;
}

function pick(env: NodeJS.ProcessEnv, names: string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

function items(value: string): string[] {
  return value.split(/[,\s]+/).filter(Boolean);
}

function unknownNames(env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('REPRISE_') && !KNOWN.includes(name) && !OTHERS.test(name))
    .map((name) => {
      const known = nearest(name, KNOWN);
      return `${name} is not a setting of a runner${known ? `; did you mean ${known}?` : '.'}`;
    });
}

function logLevel(value: string, problems: string[]): string {
  if (Object.hasOwn(levels.values, value)) return value;
  problems.push(`REPRISE_LOG_LEVEL must be one of ${Object.keys(levels.values).join(', ')}, not "${value}".`);
  return value;
}
