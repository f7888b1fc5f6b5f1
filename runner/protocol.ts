/**
 * Everything that crosses the wire between a runner and the server: paths, shapes, and the rules both sides keep.
 *
 * A runner's life: `register` where nobody added it; `hello` once per process; then, side by side, one `claim` per free slot and one standing `renew`.
 * Each claimed attempt: fetch the mirror with `gitToken`, append to the log, put `progress`, put blobs, `finish`.
 *
 * Every request carries `Authorization: Bearer <runner token>`. Every request about an attempt also carries its fencing
 * token in the header `Reprise-Fence`. An attempt of another runner is 403; a fence that is no longer the attempt's
 * current one, or an attempt that is over, is 409: the runner then kills that sandbox and forgets the attempt.
 * Anything that is not a decodable answer of this protocol (a proxy's HTML, a cut connection, 5xx) is tried again and never
 * taken for success. No request names a path on the server.
 *
 * Times: a runner never sends its clock. Durations (`…Ms`) are monotonic milliseconds since the runner received the claim;
 * the server adds them to its own time of the claim.
 */
import type { PlannedJob } from '@reprise/pipelines/model.ts';
import { z } from 'zod';
import { type Deployment, deployResult, hostRecord } from './deploy/deployment.ts';
import type { ProtocolTimes } from './wire.ts';

export type { Deployment, DeployResult, HostProbe, HostRecord } from './deploy/deployment.ts';

export {
  FENCE_HEADER,
  MASKED_FROM_BYTES,
  PROTOCOL_TIMES,
  PROTOCOL_VERSION,
  type ProtocolTimes,
  paths,
  scaleTimes,
} from './wire.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const id = z.string().regex(/^[0-9a-z]{8,40}$/);
const elapsedMs = z.number().nonnegative();
const label = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/);

/** What a job's record says about the machine, so that a difference years later can be explained. */
export const toolchain = z.object({
  /** sha256 of the sorted `name version` lines. */
  fingerprint: sha256,
  /** Program or file to its version line: os, kernel, git, cc, node, npm, python3, … */
  tools: z.record(z.string().max(64), z.string().max(256)),
});
export type Toolchain = z.infer<typeof toolchain>;

/** POST hello → 200 `HelloAnswer` · 409 another live instance has this token · 426 protocol · 401 unknown token. */
export const hello = z.object({
  protocol: z.number().int(),
  version: z.string().max(64),
  /** Random, kept in the runner's data directory: the same instance coming back is welcome at once. */
  instance: id,
  /** `null`: those given when the runner was added. */
  labels: z.array(label).max(32).nullable(),
  capacity: z.number().int().min(1).max(256),
  /** How it isolates steps, such as `bubblewrap 0.8.0`. */
  sandbox: z.string().max(128),
  toolchain,
});
export type Hello = z.infer<typeof hello>;

/**
 * POST register → 200 `RegisterAnswer`, also for every repeat · 401 another secret · 403 not here, or removed · 409 `name-taken` · 426
 * protocol · 429. Without `Authorization`: what it shows is the registration secret, and the digest of a token it made and kept before.
 */
export const register = z.object({
  protocol: z.number().int(),
  secret: z.string().max(1024),
  name: label,
  /** `null`: `linux`. */
  labels: z.array(label).max(32).nullable(),
  tokenSha256: sha256,
});
export type Register = z.infer<typeof register>;

export interface RegisterAnswer {
  /** Its name: of the first registration with this digest. */
  runner: string;
}

export interface HelloAnswer {
  runner: string;
  labels: string[];
  times: ProtocolTimes;
}

/**
 * POST renew → 200 `RenewAnswer`. Renews on arrival, then stands until `renewMs` have passed or there is something to
 * say. `holding` lists every attempt of this instance, with the outstanding claims: an attempt that the server thinks this instance
 * holds, but which is in neither list, is lost and ended at once.
 */
export const renew = z.object({
  instance: id,
  holding: z.array(z.object({ attempt: id, fence: z.string().max(64) })).max(256),
  /** `claimId`s sent and not yet answered, and those that will be sent next: a claim may overtake a renewal. */
  claiming: z.array(id).max(256),
  /** Answer at once, without standing (the first after hello, and on shutdown). */
  immediate: z.boolean().default(false),
});
export type Renew = z.infer<typeof renew>;

export interface RenewAnswer {
  /** Attempts to end gently (TERM, `killGraceMs`, KILL) and then finish as `cancelled`. */
  cancel: string[];
  /** Attempts that are no longer this runner's: kill the sandbox, report nothing. */
  revoked: string[];
}

/**
 * POST claim → 200 `Assignment` · 204 nothing within `claimWaitMs`, or draining. Idempotent by `claimId`: the same claim
 * asked again (its answer was lost) gets the same assignment as long as that attempt is running.
 */
export const claim = z.object({ instance: id, claimId: id });
export type Claim = z.infer<typeof claim>;

export interface Assignment {
  attempt: string;
  fence: string;
  /** Password (user `reprise`) for the mirror at `paths.git(project)`, read-only, valid while the attempt runs. */
  gitToken: string;
  project: string;
  build: number;
  job: PlannedJob;
  /** Counts from 1. */
  attemptNumber: number;
  commit: string;
  /** The ref in the server's mirror that keeps the commit. */
  keepRef: string;
  /** Tags that the checkout shows: those that led to the commit when it was planned, so a rebuild sees the same. */
  tags: { name: string; object: string }[];
  /** The upstream address without credentials, for the checkout's `origin`. */
  cloneUrl: string;
  version: string;
  sourceDateEpoch: number;
  /** Everything steps see beyond the job's own env, PATH and HOME: CI, REPRISE_…, SOURCE_DATE_EPOCH, TZ, LANG. */
  env: Record<string, string>;
  inputs: { name: string; fileName: string; sha256: string; size: number }[];
  /** Values of those secrets that the job's steps name and that it may see. Never logged, never kept on disk. */
  secrets: Record<string, string>;
  /** Set: the job has no steps, but is this deployment; `inputs` holds its artifact. Done outside the sandbox, by a process of its own. */
  deployment: Deployment | null;
  /** Bytes after which a job's log is cut, with a line that says so. */
  logLimit: number;
}

/**
 * POST log?offset=N with the bytes → 200 `{size}`: bytes already held are skipped, the rest appended. 416 `{size}`: a gap,
 * continue from `size`. 507: the server's disk is full, try again later.
 */
export interface LogAnswer {
  size: number;
}

/** One section of the job's log. What precedes the first step's section is the checkout and the unpacking of inputs. */
export const stepState = z.object({
  name: z.string().max(256),
  status: z.enum(['queued', 'running', 'passed', 'failed', 'errored', 'cancelled', 'skipped']),
  exitCode: z.number().int().nullable(),
  startedMs: elapsedMs.nullable(),
  finishedMs: elapsedMs.nullable(),
  /** Where the step's section begins in the job's log, bytes. */
  logOffset: z.number().int().nonnegative().nullable(),
});
export type StepState = z.infer<typeof stepState>;

/** PUT progress → 204. The whole state each time, so that a repeat or a late one changes nothing. */
export const progress = z.object({ steps: z.array(stepState).max(512) });
export type Progress = z.infer<typeof progress>;

/** POST record → 204 once it is durable, also for a repeat. What is about to be done on a host, or was; numbers count from 1. */
export const hostRecordEntry = z.object({ number: z.number().int().positive(), entry: hostRecord });
export type HostRecordEntry = z.infer<typeof hostRecordEntry>;

/** An entry of an artifact's manifest; `path` is below the top folder, `mode` octal such as `0644`. */
export const manifestEntry = z.discriminatedUnion('type', [
  z.object({ type: z.literal('file'), path: z.string(), mode: z.string(), size: z.number().int(), sha256 }),
  z.object({ type: z.literal('directory'), path: z.string(), mode: z.string() }),
  z.object({ type: z.literal('link'), path: z.string(), target: z.string() }),
]);
export type ManifestEntry = z.infer<typeof manifestEntry>;

/**
 * PUT blob with the bytes → 201 stored · 200 already held · 413 over the limit · 422 the bytes are not of that digest · 507.
 * HEAD blob → 200 already held · 404. An artifact's tarball and its manifest (JSON, `ManifestEntry[]`) are two blobs.
 */
export const packedArtifact = z.object({
  name: z.string().max(63),
  fileName: z.string().max(255),
  sha256,
  treeSha256: sha256,
  size: z.number().int().nonnegative(),
  manifestSha256: sha256,
});
export type PackedArtifact = z.infer<typeof packedArtifact>;

/**
 * POST finish → 200, also for an identical repeat; 409 for another result, a stale fence or an ended attempt; 416
 * `{size}` when the log held is not `logSize` bytes of `logSha256` (send it again from `size`, 0 when it differs).
 * The one result of the attempt: artifacts become visible with it, together.
 */
export const finish = z.object({
  status: z.enum(['passed', 'failed', 'errored', 'cancelled']),
  /** A sentence where it ended unusually; empty otherwise. */
  why: z.string().max(4096),
  steps: z.array(stepState).max(512),
  logSize: z.number().int().nonnegative(),
  logSha256: sha256,
  artifacts: z.array(packedArtifact).max(64),
  /** Of a deployment, unless it broke: what is true on the hosts. */
  deployment: deployResult.nullable().default(null),
  toolchain,
  elapsedMs,
});
export type Finish = z.infer<typeof finish>;
