import { isAbsolute, resolve } from 'node:path';
import { durationMs } from '@reprise/pipelines/duration.ts';
import { nearest } from '@reprise/pipelines/nearest.ts';
import { PROTOCOL_TIMES, type ProtocolTimes, scaleTimes } from '@reprise/runner/protocol.ts';
import { levels } from 'pino';
import { parseDatabaseUrl } from './db/database-url.ts';
import { type LowMark, parseLowMark } from './disk/low-mark.ts';
import { parseRedisUrl, type RedisSettings } from './redis/redis-url.ts';
import type { RetentionRules } from './retention/retention.api.ts';
import { Secret } from './secret.ts';
import { parseStorageUrl, type S3Settings } from './storage/storage-url.ts';

/** The server's settings, read once from the environment. Durations are milliseconds, sizes bytes. */
export interface ServerConfig {
  host: string;
  port: number;
  /** The public address, or null: where the server listens. */
  url: string | null;
  dataDir: string;
  /** PostgreSQL for the records (`DATABASE_URL`); null: SQLite, in the data directory. */
  databaseUrl: Secret | null;
  /** S3-compatible storage for artifacts and finished logs (`STORAGE_URL`); null: directories below the data. */
  storage: S3Settings | null;
  /** Through which several servers tell each other what happens (`REDIS_URL`); null: there is but one. */
  redis: RedisSettings | null;
  /** Before it ends, a server says for so long that it is not ready, and works on: who balances between several notices. */
  drainMs: number;
  adminToken: Secret | null;
  /** null: the key file beside the data. */
  secretKey: Secret | null;
  githubWebhookSecret: Secret | null;
  /** "Sign in with GitHub"; null: not offered. */
  github: GithubSignIn | null;
  /** Where GitHub is told of builds and deployments; null: it is not. */
  githubApi: GithubApi | null;
  gitProtocols: readonly string[];
  /** Hosts called `local` may be deployed to below it; null: not at all. */
  localDeployRoot: string | null;
  /** Every environment is looked at this often; 0: only when somebody asks. */
  probeEveryMs: number;
  /** A job that could have begun for so long has errored; 0: it waits for ever. */
  queueTimeoutMs: number;
  /** Jobs the embedded runner takes at once; 0: no embedded runner. */
  embeddedRunners: number;
  /** Addresses of proxies whose `X-Forwarded-…` are believed, as express takes them; null: none. */
  trustProxy: string | null;
  /** With which runners register themselves; null: they do not. */
  runnerRegistration: Secret | null;
  logLimit: number;
  /** Each project's upstream is asked this often for pushes that no webhook announced; 0: never. */
  lookEveryMs: number;
  /** Below so much free space of the data directory no build begins. */
  diskLow: LowMark;
  /** What is kept of projects that have no rules of their own. */
  retention: RetentionRules;
  /** The least important message of the operator's log that is written. */
  logLevel: string;
  times: ProtocolTimes;
  /** Where a test has this process die (`crash-point.ts`); empty: nowhere. */
  crashAt: string;
}

/** GitHub (or a GitHub Enterprise server) as the place where people sign in. Addresses without a trailing slash. */
export interface GithubSignIn {
  clientId: string;
  clientSecret: Secret;
  url: string;
  apiUrl: string;
}

/** GitHub's REST API. The token needs to write commit statuses and deployments. */
export interface GithubApi {
  apiUrl: string;
  token: Secret;
}

export type Parsed<Config> =
  | { config: Config; problems: []; warnings: string[] }
  | { config: null; problems: string[]; warnings: string[] };

const GIT_PROTOCOLS = ['https', 'http', 'ssh', 'file'];
const GIB = 1024 ** 3;

const KNOWN = [
  'REPRISE_HOST',
  'REPRISE_PORT',
  'REPRISE_URL',
  'REPRISE_DATA_DIR',
  'REPRISE_ADMIN_TOKEN',
  'REPRISE_SECRET_KEY',
  'REPRISE_GITHUB_WEBHOOK_SECRET',
  'REPRISE_GITHUB_CLIENT_ID',
  'REPRISE_GITHUB_CLIENT_SECRET',
  'REPRISE_GITHUB_URL',
  'REPRISE_GITHUB_TOKEN',
  'REPRISE_GIT_PROTOCOLS',
  'REPRISE_LOCAL_DEPLOY_ROOT',
  'REPRISE_PROBE_MINUTES',
  'REPRISE_LOOK_MINUTES',
  'REPRISE_QUEUE_TIMEOUT',
  'REPRISE_EMBEDDED_RUNNERS',
  'REPRISE_TRUST_PROXY',
  'REPRISE_RUNNER_REGISTRATION',
  'REPRISE_DRAIN_SECONDS',
  'REPRISE_LOG_LIMIT',
  'REPRISE_DISK_LOW',
  'REPRISE_RETENTION_DAYS',
  'REPRISE_RETENTION_BUILDS',
  'REPRISE_RETENTION_BYTES',
  'REPRISE_RETENTION_RECORDS',
  'REPRISE_LOG_LEVEL',
  'REPRISE_TEST_TIME_SCALE',
  'REPRISE_TEST_CRASH_AT',
  // Read by the embedded runner, by other runners and by the command.
  'REPRISE_SERVER',
  'REPRISE_TOKEN',
  'REPRISE_RUNNER_TOKEN',
  'REPRISE_LABELS',
  'REPRISE_CAPACITY',
  'REPRISE_SANDBOX',
  'REPRISE_STEP_ENV',
  'REPRISE_STEP_MOUNTS',
  'REPRISE_STEP_PATH',
  'REPRISE_MIN_FREE_DISK',
  'REPRISE_RUNNER_NAME',
];

/** Reads every setting and reports all problems together. An unknown `REPRISE_…` name is a warning with the nearest one. */
export function parseServerConfig(env: NodeJS.ProcessEnv): Parsed<ServerConfig> {
  const problems: string[] = [];
  const text = (name: string): string | null => env[name]?.trim() || null;
  const secret = (name: string, least: number): Secret | null => {
    const value = text(name);
    if (value !== null && value.length < least)
      problems.push(`${name} must have at least ${least} characters.`);
    return value === null ? null : new Secret(value);
  };
  const whole = (name: string, fallback: number, min: number, max: number): number => {
    const value = text(name);
    if (value === null) return fallback;
    const number = Number(value);
    if (Number.isInteger(number) && number >= min && number <= max) return number;
    problems.push(`${name} must be a whole number from ${min} to ${max}, not "${value}".`);
    return fallback;
  };
  const githubUrl = githubAddress(text('REPRISE_GITHUB_URL'), problems);
  const githubToken = secret('REPRISE_GITHUB_TOKEN', 1);
  const config: ServerConfig = {
    host: text('REPRISE_HOST') ?? '127.0.0.1',
    port: whole('REPRISE_PORT', 4000, 0, 65_535),
    url: publicAddress(text('REPRISE_URL'), problems),
    dataDir: resolve(text('REPRISE_DATA_DIR') ?? './data'),
    databaseUrl: parseDatabaseUrl(text('DATABASE_URL'), problems),
    storage: parseStorageUrl(text('STORAGE_URL'), env, problems),
    redis: parseRedisUrl(text('REDIS_URL'), problems),
    drainMs: whole('REPRISE_DRAIN_SECONDS', text('REDIS_URL') === null ? 0 : 5, 0, 10) * 1000,
    adminToken: secret('REPRISE_ADMIN_TOKEN', 32),
    secretKey: secret('REPRISE_SECRET_KEY', 32),
    githubWebhookSecret: secret('REPRISE_GITHUB_WEBHOOK_SECRET', 16),
    github: githubSignIn(
      {
        clientId: text('REPRISE_GITHUB_CLIENT_ID'),
        clientSecret: secret('REPRISE_GITHUB_CLIENT_SECRET', 1),
        url: githubUrl,
      },
      problems,
    ),
    githubApi: githubToken && { apiUrl: apiOf(githubUrl), token: githubToken },
    gitProtocols: gitProtocols(text('REPRISE_GIT_PROTOCOLS'), problems),
    localDeployRoot: absolute(text('REPRISE_LOCAL_DEPLOY_ROOT'), problems),
    queueTimeoutMs: queueTimeout(text('REPRISE_QUEUE_TIMEOUT'), problems),
    probeEveryMs: whole('REPRISE_PROBE_MINUTES', 15, 0, 10_080) * 60_000,
    embeddedRunners: whole('REPRISE_EMBEDDED_RUNNERS', 2, 0, 64),
    trustProxy: text('REPRISE_TRUST_PROXY'),
    runnerRegistration: secret('REPRISE_RUNNER_REGISTRATION', 32),
    logLimit: whole('REPRISE_LOG_LIMIT', GIB, 64 * 1024, 1024 * GIB),
    lookEveryMs: whole('REPRISE_LOOK_MINUTES', 5, 0, 10_080) * 60_000,
    diskLow: parseLowMark(text('REPRISE_DISK_LOW'), problems),
    retention: {
      days: whole('REPRISE_RETENTION_DAYS', 0, 0, 36_500) || null,
      builds: whole('REPRISE_RETENTION_BUILDS', 0, 0, 100_000_000) || null,
      bytes: whole('REPRISE_RETENTION_BYTES', 0, 0, Number.MAX_SAFE_INTEGER) || null,
      records: retentionRecords(text('REPRISE_RETENTION_RECORDS'), problems),
    },
    logLevel: text('REPRISE_LOG_LEVEL') ?? 'info',
    times: PROTOCOL_TIMES,
    crashAt: text('REPRISE_TEST_CRASH_AT') ?? '',
  };
  if (!Object.hasOwn(levels.values, config.logLevel)) {
    const known = Object.keys(levels.values).join(', ');
    problems.push(`REPRISE_LOG_LEVEL must be one of ${known}, not "${config.logLevel}".`);
  }
  const scale = Number(text('REPRISE_TEST_TIME_SCALE') ?? 1);
  if (!(scale >= 1 && scale <= 1000))
    problems.push('REPRISE_TEST_TIME_SCALE must be a number from 1 to 1000.');
  else config.times = scaleTimes(scale);

  const warnings = unknownNames(env);
  if (problems.length > 0) return { config: null, problems, warnings };
  return { config: Object.freeze(config), problems: [], warnings };
}

function retentionRecords(value: string | null, problems: string[]): RetentionRules['records'] {
  if (value === null || value === 'stay' || value === 'go') return value ?? 'stay';
  problems.push(`REPRISE_RETENTION_RECORDS must be stay or go, not "${value}".`);
  return 'stay';
}

function absolute(path: string | null, problems: string[]): string | null {
  if (path === null || isAbsolute(path)) return path;
  problems.push(`REPRISE_LOCAL_DEPLOY_ROOT must be an absolute path, not "${path}".`);
  return null;
}

function publicAddress(value: string | null, problems: string[]): string | null {
  if (value === null) return null;
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.search && !url.hash) {
    return url.href.replace(/\/+$/, '');
  }
  problems.push(`REPRISE_URL must be an address such as https://ci.example.com, not "${value}".`);
  return null;
}

function githubSignIn(
  given: { clientId: string | null; clientSecret: Secret | null; url: string },
  problems: string[],
): GithubSignIn | null {
  const { clientId, clientSecret, url } = given;
  if (clientId !== null && clientSecret !== null) return { clientId, clientSecret, url, apiUrl: apiOf(url) };
  if (clientId !== null || clientSecret !== null)
    problems.push('REPRISE_GITHUB_CLIENT_ID and REPRISE_GITHUB_CLIENT_SECRET are needed together.');
  return null;
}

const GITHUB = 'https://github.com';

/** GitHub's own API has a host of its own; a GitHub Enterprise server's is below its address. */
function apiOf(url: string): string {
  return url === GITHUB ? 'https://api.github.com' : `${url}/api/v3`;
}

/** The client's secret and people's tokens go there: over TLS, or on this machine. */
function githubAddress(value: string | null, problems: string[]): string {
  if (value === null) return GITHUB;
  const url = URL.canParse(value) ? new URL(value) : null;
  const isPrivate =
    url?.protocol === 'https:' || /^http:\/\/(localhost|127\.[\d.]+|\[::1\])(:|\/|$)/.test(value);
  if (url && isPrivate && !url.username && !url.search && !url.hash) return url.href.replace(/\/+$/, '');
  problems.push(`REPRISE_GITHUB_URL must be an https address such as ${GITHUB}, not "${value}".`);
  return GITHUB;
}

function queueTimeout(value: string | null, problems: string[]): number {
  if (value === '0') return 0;
  const ms = durationMs(value ?? '24h');
  if (ms) return ms;
  problems.push(
    `REPRISE_QUEUE_TIMEOUT must be a duration such as 24h or 90m, or 0 for none, not "${value}".`,
  );
  return 0;
}

function gitProtocols(value: string | null, problems: string[]): string[] {
  const protocols = (value ?? 'https:ssh').split(':').filter(Boolean);
  for (const protocol of protocols.filter((name) => !GIT_PROTOCOLS.includes(name))) {
    problems.push(`REPRISE_GIT_PROTOCOLS may list ${GIT_PROTOCOLS.join(', ')}, not "${protocol}".`);
  }
  return protocols;
}

function unknownNames(env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('REPRISE_') && !KNOWN.includes(name))
    .map((name) => {
      const known = nearest(name, KNOWN);
      return `${name} is not a setting of Reprise${known ? `; did you mean ${known}?` : '.'}`;
    });
}
