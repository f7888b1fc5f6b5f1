import { type Client, Unanswered } from './client.ts';
import type { Link } from './link.ts';
import type { RenewAnswer } from './protocol.ts';
import { type ProtocolTimes, paths } from './wire.ts';

export interface LeaseOptions {
  instance: string;
  client: Client;
  link: Link;
  times: ProtocolTimes;
  /** The attempts that this runner works on. */
  holding(): { attempt: string; fence: string }[];
  /** Ids of the claims that may be under way. */
  claiming(): string[];
  /** Both may be told of an attempt more than once, or of one that is over. */
  onCancel(attempt: string): void;
  onRevoked(attempt: string): void;
  /** Called when no renewal was answered for `fenceMs`, and again from time to time until one is. */
  onFenced(why: string): void;
}

/**
 * The runner's hold on its attempts: one renewal always stands at the server. Time is counted from the sending of the last
 * one that was answered, on the monotonic clock: what the runner believes to hold ends before the server gives it away.
 */
export class Lease {
  readonly #o: LeaseOptions;
  #fence: NodeJS.Timeout | undefined;
  /** What the last answer said, to see whether the next one is news. */
  #last = '';

  constructor(options: LeaseOptions) {
    this.#o = options;
  }

  /** Renews until the signal is aborted. Throws `Refused` when the server does not want this runner any more. */
  async keep(signal: AbortSignal): Promise<void> {
    const backoff = this.#o.link.backoff();
    this.#holdFrom(performance.now());
    let immediate = true;
    try {
      while (!signal.aborted) {
        const sentAt = performance.now();
        try {
          const answer = await this.#renew(immediate, signal);
          this.#holdFrom(sentAt);
          this.#o.link.heard();
          immediate = false;
          // A server that repeats what is already being done would otherwise be asked in a tight circle.
          if (this.#obey(answer)) backoff.reset();
          else await backoff.wait(signal);
        } catch (error) {
          await this.#o.link.recover(error, backoff, signal);
          immediate = true;
        }
      }
    } finally {
      // Also where the server wants it no more: a process that nobody wants must not stay for this.
      clearTimeout(this.#fence);
    }
  }

  /** One last renewal, at once: what is held no more goes to another runner without a wait. Failing does not matter. */
  async farewell(): Promise<void> {
    await this.#renew(true, AbortSignal.timeout(2000)).catch(() => undefined);
  }

  async #renew(immediate: boolean, signal: AbortSignal): Promise<RenewAnswer> {
    const { instance, client, times } = this.#o;
    const { json } = await client.ask({
      method: 'POST',
      path: paths.renew,
      json: { instance, holding: this.#o.holding(), claiming: this.#o.claiming(), immediate },
      // Twice as long as it should stand: then the connection is dead.
      idleMs: 2 * times.renewMs,
      signal,
    });
    if (isRenewAnswer(json)) return json;
    throw new Unanswered('the renewal was answered with something that is not of the protocol');
  }

  /** Returns whether there was anything new in the answer, an empty one included. */
  #obey(answer: RenewAnswer): boolean {
    for (const attempt of answer.cancel) this.#o.onCancel(attempt);
    for (const attempt of answer.revoked) this.#o.onRevoked(attempt);
    const said = [...answer.cancel, ...answer.revoked].join(' ');
    const isNew = said === '' || said !== this.#last;
    this.#last = said;
    return isNew;
  }

  #holdFrom(sentAt: number): void {
    clearTimeout(this.#fence);
    const { fenceMs } = this.#o.times;
    const fence = () => {
      this.#o.onFenced(`no renewal was answered for ${fenceMs} ms`);
      this.#fence = setTimeout(fence, fenceMs / 10);
    };
    this.#fence = setTimeout(fence, sentAt + fenceMs - performance.now());
  }
}

function isRenewAnswer(json: unknown): json is RenewAnswer {
  const answer = json as Partial<RenewAnswer> | undefined;
  return Array.isArray(answer?.cancel) && Array.isArray(answer.revoked);
}
