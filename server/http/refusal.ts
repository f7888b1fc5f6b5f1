/** Every `code` that a problem answer can carry; part of the public contract, so never renamed. */
export type RefusalCode =
  | 'bad-request'
  | 'unauthenticated'
  | 'wrong-password'
  | 'tls-required'
  | 'link-gone'
  | 'forbidden'
  | 'cross-site'
  | 'not-found'
  | 'method-not-allowed'
  | 'conflict'
  | 'rule'
  | 'name-taken'
  | 'runner-already-connected'
  | 'stale-fence'
  | 'too-large'
  | 'range-not-satisfiable'
  | 'log-gap'
  | 'unknown-ref'
  | 'digest-mismatch'
  | 'protocol-mismatch'
  | 'not-supported'
  | 'rate-limited'
  | 'internal'
  | 'artifact-damaged'
  | 'unavailable'
  | 'fetch-timed-out'
  | 'fetch-failed'
  | 'disk-full';

/** An expected "no": thrown anywhere below a route, answered once, as RFC 9457 `application/problem+json`. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: RefusalCode;
  /** Further members of the answer, such as `{errors: [{field, message}]}`, `{size}` or `{nearest}`. */
  readonly extra: Record<string, unknown>;

  /** `sentence` says what is wrong, with which one, and what to do. */
  constructor(status: number, code: RefusalCode, sentence: string, extra: Record<string, unknown> = {}) {
    super(sentence);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
    this.extra = extra;
  }
}

export const notFound = (what: string): Refusal => new Refusal(404, 'not-found', `${what} does not exist.`);
