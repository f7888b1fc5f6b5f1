import { parseHost } from '@reprise/pipelines/hosts.ts';
import { z } from 'zod';

/**
 * What crosses between the server, which decides, and the process that deploys, which alone holds the keys. Instants are ISO 8601
 * in UTC, durations milliseconds, digests sha256 in hexadecimal. No text may hold a NUL: no shell could be given it.
 */

/** A release's name: when it was made, in UTC. */
export const RELEASE = /^[0-9]{14}$/;

const text = (most: number) =>
  z
    .string()
    .max(most)
    .refine((value) => !value.includes('\0'), 'must not contain a NUL');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const release = z.string().regex(RELEASE);
const absolutePath = text(4096).regex(/^\//);
const hostName = z.string().refine((value) => value === 'local' || parseHost(value) !== null, 'is no host');
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/);
/** One variable may have 128 KiB on Linux. */
const variables = z.record(variable, text(120_000));

/** One line of `known_hosts`, for one named host: no wildcards, no authorities, nothing learnt. */
const pinnedKey = z
  .string()
  .max(8192)
  .regex(/^[^\s@*?!#][^\s*?!]* (?:ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}$/);

/** The place to deploy to: an environment of the pipeline file (see `Environment` in pipelines/model.ts), recorded. */
export const deployEnvironment = z.object({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/),
  url: text(2000).nullable(),
  path: z.string().regex(/^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._@+-]+)+$/),
  hosts: z
    .array(hostName)
    .min(1)
    .max(256)
    .refine((hosts) => new Set(hosts).size === hosts.length, 'name a host twice'),
  keep: z.int().min(1).max(100),
  /** Relative to a release; a trailing slash means a directory. */
  shared: z.array(text(1024).refine(staysInside, 'leaves the release')).max(256),
  prepare: z.array(z.object({ run: text(120_000), on: z.enum(['first', 'all']) })).max(64),
  restart: text(120_000).nullable(),
  health: z
    .object({ http: text(2000).nullable(), run: text(120_000).nullable(), timeoutMs: z.int().min(1) })
    .nullable(),
  batch: z.int().min(1).nullable(),
  jump: z
    .string()
    .refine((value) => parseHost(value) !== null, 'is no host')
    .nullable(),
  haproxy: z
    .object({
      sockets: z.array(text(300)).min(1).max(8),
      backend: z.string().regex(/^[A-Za-z0-9_.:-]{1,128}$/),
      server: z.string().regex(/^(?:[A-Za-z0-9_.:-]|\{(?:host|name|port|number)\}){1,128}$/),
    })
    .nullable(),
});

/** The bytes to deploy, and what they are. */
export const deployArtifact = z.object({
  name: text(63),
  fileName: text(255).regex(/^[^/]+\.tar\.gz$/),
  sha256,
  treeSha256: sha256,
  size: z.int().min(0),
  version: text(255),
  /** The build's number. */
  build: z.int().min(1),
  commit: z.string().regex(/^[0-9a-f]{40,64}$/),
  /** The commit's committer time in seconds since 1970. */
  commitTime: z.int(),
  /** Empty for what was built from something else. */
  branch: text(65_536),
  tag: text(65_536),
  /** A readable file of this machine with the tarball's bytes; null: not at hand, so only flipping back can succeed. */
  file: absolutePath.nullable(),
});

/** What the last record says about a host. */
export const expectedHost = z.object({ release: release.nullable(), digest: sha256.nullable() });

export const deployment = z.object({
  /** Unique among all servers that deploy to these hosts; it is what the lock on a host names. */
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/),
  kind: z.enum(['deploy', 'rollback', 'probe']),
  project: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/),
  environment: deployEnvironment,
  /** The hosts of `environment` that are meant, where it is not all of them. */
  only: z.array(hostName).min(1).nullable(),
  artifact: deployArtifact.nullable(),
  /** Proposed: where a host has a later one already, one second after the latest there is used, on all hosts. */
  release,
  by: text(200),
  reason: text(65_536),
  /** What the lock says about its owner beside `by` and `reason`: one line, such as the deployment's address. */
  owner: text(500),
  /** Variables for the commands on the hosts, beside those that are made here (`REPRISE_RELEASE` and so on). */
  env: variables,
  /** Variables that are masked in the log, in every encoding. */
  secrets: variables,
  /** An OpenSSH private key without a passphrase. */
  sshKey: text(65_536).nullable(),
  /** By host as it is written in `environment`, and of the jump host: the lines of `known_hosts` that must hold. */
  knownHosts: z.record(z.string(), z.array(pinnedKey).max(32)),
  /** Below it, and nowhere else, `local` may deploy; null: `local` is refused. */
  localRoot: absolutePath.nullable(),
  /** By host; a host without an entry is unknown. */
  expected: z.record(z.string(), expectedHost),
  /** A rollback's target: a release that was live and healthy, and its recorded digest by host. */
  rollbackTo: z.object({ release, digests: z.record(z.string(), sha256) }).nullable(),
  /** Releases that pruning leaves alone, beside the live one, the one before it and the newest `keep`. */
  protect: z.array(release).max(1000),
  /** Deployments that have surely ended: a lock that one of them left behind is taken over, and that is recorded. */
  ended: z.array(z.string().max(128)).max(1000),
  /** Bounds, in milliseconds, with defaults for real life. */
  limits: z.object({
    prepareMs: z
      .int()
      .min(1)
      .default(30 * 60_000),
    restartMs: z
      .int()
      .min(1)
      .default(5 * 60_000),
    /** Kamal's bound for the same: what still has requests then is switched all the same, and the log says so. */
    drainMs: z.int().min(1).default(30_000),
    /** For what asks nobody else: to lock, to switch, to look. */
    actMs: z.int().min(1).default(120_000),
    /** For the bytes and unpacking them. */
    uploadMs: z
      .int()
      .min(1)
      .default(30 * 60_000),
  }),
});

export type Deployment = z.infer<typeof deployment>;
export type DeployArtifact = z.infer<typeof deployArtifact>;
export type DeployEnvironment = z.infer<typeof deployEnvironment>;

/** The phases, in their order. `undo` puts a switched host back; `finish` writes the log of revisions and prunes. */
export const PHASES = [
  'lock',
  'prepare',
  'drain',
  'switch',
  'restart',
  'health',
  'ready',
  'undo',
  'finish',
  'unlock',
  'probe',
] as const;

/**
 * What is about to be done on a host (`before`), or what became of it (`after`). `unknown` means that the connection was lost
 * while it was done, so that only looking tells.
 */
export const hostRecord = z.object({
  host: z.string(),
  phase: z.enum(PHASES),
  at: z.enum(['before', 'after']),
  /** Null before. */
  outcome: z.enum(['done', 'failed', 'unknown']).nullable(),
  /** The deployment's release. */
  release: z.string(),
  /** What was live when the deployment began: a release, or another target of `current`; null: nothing, or not known yet. */
  previousRelease: z.string().nullable(),
  /** A sentence for people; never the output of a command. */
  detail: z.string().nullable(),
  /** After `prepare`: the digest of what was installed on this host, for later probes. */
  digest: z.string().nullable(),
});

export type Phase = (typeof PHASES)[number];
export type HostRecord = z.infer<typeof hostRecord>;

/** What is true of a host at the end, found by looking. */
export const hostState = z.object({
  host: z.string(),
  /**
   * `new`: the deployment's release is live · `previous`: what was live before · `other`: something else · `none`: nothing is
   * live · `unknown`: the host could not be asked.
   */
  state: z.enum(['new', 'previous', 'other', 'none', 'unknown']),
  /** The live release, or another target of `current`. */
  current: z.string().nullable(),
  /** Null where nothing says whether it is. */
  healthy: z.boolean().nullable(),
  /** The recorded digest of the live release, where this deployment measured it. */
  digest: z.string().nullable(),
  /** This deployment's lock is, or may be, still there. */
  locked: z.boolean(),
});

export type HostState = z.infer<typeof hostState>;

/** How a host looked when it was asked; nothing is changed by asking. */
export const hostProbe = z.object({
  host: z.string(),
  /**
   * `match`: the expected release, with the recorded digest · `drift`: another release, or its files differ · `partial`: `current`
   * leads nowhere, or its release is not complete · `foreign`: a release that Reprise did not make · `none`: nothing is live ·
   * `unreachable`.
   */
  state: z.enum(['match', 'drift', 'partial', 'foreign', 'none', 'unreachable']),
  detail: z.string().nullable(),
  current: z.string().nullable(),
  digest: z.string().nullable(),
  /** At most 100 of the artifact's paths that are not as they were installed. */
  differences: z.array(z.object({ path: z.string(), change: z.enum(['changed', 'missing']) })),
  releases: z.array(z.string()),
  /** The lock's text, if there is one. */
  lock: z.string().nullable(),
  health: z.object({ healthy: z.boolean(), detail: z.string() }).nullable(),
  /** Of 1, 5 and 15 minutes. */
  load: z.array(z.number()).nullable(),
  processors: z.number().nullable(),
  /** Of the file system that holds `path`, in bytes. */
  disk: z.object({ total: z.number(), free: z.number() }).nullable(),
});

export type HostProbe = z.infer<typeof hostProbe>;

export const deployResult = z.object({
  /**
   * `done`: complete on all hosts · `unchanged`: it ended before anything was switched · `undone`: what was switched was put back,
   * and is as before · `mixed`: look at the hosts, one is not as it should be or cannot be asked.
   */
  outcome: z.enum(['done', 'unchanged', 'undone', 'mixed']),
  /** `failed`: a command, the health check or a rule said no · `errored`: a host, a connection or the artifact did. */
  status: z.enum(['passed', 'failed', 'errored', 'cancelled']),
  why: z.string().nullable(),
  /** The release that was made, or flipped to. */
  release: z.string(),
  /** A rollback whose release was gone or changed deployed the artifact again. */
  redeployed: z.boolean(),
  hosts: z.array(hostState),
  /** For probes. */
  probes: z.array(hostProbe),
});

export type DeployResult = z.infer<typeof deployResult>;

/** What deploying asks of whoever started it. */
export interface DeployPorts {
  /** Resolves when the entry is durable. Nothing is done on a host before it has; a rejection ends the deployment. */
  record(entry: HostRecord): Promise<void>;
  /** Bytes for the deployment's log, in whole lines, not yet masked; commands wait for a promise before they can write more. */
  log(bytes: Uint8Array): void | Promise<void>;
  /** Cancels; heard between phases. */
  signal: AbortSignal;
}

function staysInside(path: string): boolean {
  return (
    path !== '' && !path.startsWith('/') && !path.split('/').includes('..') && !/[\x00-\x1f\x7f]/.test(path)
  );
}
