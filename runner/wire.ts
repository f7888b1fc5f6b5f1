/**
 * The protocol's numbers and addresses, apart from its schemas: a runner needs only these, and so does without the 18 MB
 * and 60 ms that the schema library costs. Others import them from protocol.ts, which passes them on.
 */

/** Raised when a runner of the other version could misunderstand. A mismatch is answered 426 before anything else. */
export const PROTOCOL_VERSION = 1;

export const FENCE_HEADER = 'reprise-fence';

/** The protocol's times in milliseconds. A test may scale them all by one factor. */
export interface ProtocolTimes {
  /** A standing `renew` is answered after at most this long. */
  renewMs: number;
  /** A standing `claim` without work is answered 204 after this long. */
  claimWaitMs: number;
  /** A runner without an answered renewal for this long, counted from its sending, kills its sandboxes. */
  fenceMs: number;
  /** The server gives an attempt up this long after its last renewal; more than `fenceMs`, so that both never overlap. */
  reassignMs: number;
  /** From TERM to KILL when a step is cancelled or timed out. */
  killGraceMs: number;
}

export const PROTOCOL_TIMES: ProtocolTimes = {
  renewMs: 15_000,
  claimWaitMs: 30_000,
  fenceMs: 120_000,
  reassignMs: 150_000,
  killGraceMs: 10_000,
};

/** Divides every time by `factor`; only tests use one other than 1 (`REPRISE_TEST_TIME_SCALE`). */
export function scaleTimes(factor: number): ProtocolTimes {
  return Object.fromEntries(
    Object.entries(PROTOCOL_TIMES).map(([name, ms]) => [name, Math.max(1, Math.round(ms / factor))]),
  ) as unknown as ProtocolTimes;
}

/** Where each request goes, below the server's address. */
export const paths = {
  register: '/api/runner/register',
  hello: '/api/runner/hello',
  renew: '/api/runner/renew',
  claim: '/api/runner/claim',
  log: (attempt: string) => `/api/runner/attempts/${attempt}/log`,
  progress: (attempt: string) => `/api/runner/attempts/${attempt}/progress`,
  blob: (attempt: string, sha256: string) => `/api/runner/attempts/${attempt}/blobs/${sha256}`,
  record: (attempt: string) => `/api/runner/attempts/${attempt}/record`,
  finish: (attempt: string) => `/api/runner/attempts/${attempt}/finish`,
  input: (attempt: string, sha256: string) => `/api/runner/attempts/${attempt}/inputs/${sha256}`,
  git: (project: string) => `/git/${project}.git`,
} as const;

/** Shorter values are never masked in logs: "none" or "abc" would blank out half of one. */
export const MASKED_FROM_BYTES = 6;
