import type { RedisConnections } from '../redis/connections.ts';
import { Hints } from '../redis/hints.ts';
import type { Waiting, Wake } from './wake.ts';

/** Commits of that time are told of together. */
const TELL_AFTER_MS = 5;
/** Hints kept for one kind: each is heard by one server, which tries for all that wait there, so that more bring nothing. */
const MOST_HINTS = 4;
/** Who still waits then was not served at once, and hears of what comes. */
const LISTEN_AFTER_MS = 20;

/**
 * For several servers: one of Bull's queues for each set of labels that a runner has (`reprise:wake:<label>:<label>`). A
 * hint is put there for each kind of runner that could take what is claimable, and taken by a server while a runner of
 * that kind waits there. One that finds that nobody waits any more puts it back and listens no more.
 */
export class WakeThroughRedis implements Wake {
  readonly #redis: RedisConnections;
  readonly #kinds = new Map<string, Kind>();
  #waiting: Waiting | undefined;
  #telling: NodeJS.Timeout | undefined;
  #isTelling = false;
  #tellAgain = false;

  constructor(redis: RedisConnections) {
    this.#redis = redis;
  }

  start(waiting: Waiting): void {
    this.#waiting = waiting;
  }

  wake(): void {
    void this.#waiting?.serve();
    this.#tellSoon();
  }

  waits(kind: string): void {
    const of = this.#kind(kind);
    of.begin ??= setTimeout(() => {
      of.begin = undefined;
      if (this.#waiting?.kinds().has(kind)) of.hints.listen(() => this.#heard(kind, of));
    }, LISTEN_AFTER_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting = undefined;
    clearTimeout(this.#telling);
    for (const { begin, hints } of this.#kinds.values()) {
      clearTimeout(begin);
      hints.close();
    }
  }

  #tellSoon(): void {
    this.#tellAgain = true;
    if (this.#isTelling || this.#telling) return;
    this.#telling = setTimeout(() => void this.#tell(), TELL_AFTER_MS);
  }

  async #tell(): Promise<void> {
    this.#telling = undefined;
    this.#tellAgain = false;
    this.#isTelling = true;
    try {
      const kinds = await this.#waiting?.claimable();
      await Promise.all((kinds ?? []).map((kind) => this.#hint(kind)));
    } catch (error) {
      this.#redis.failed(error);
    }
    this.#isTelling = false;
    if (this.#tellAgain && this.#waiting) this.#tellSoon();
  }

  /** A hint that nobody took yet serves as well: whoever takes it looks after this moment. */
  async #hint(kind: string): Promise<void> {
    const { hints } = this.#kind(kind);
    const missing = MOST_HINTS - (await hints.count());
    await Promise.all(Array.from({ length: Math.max(0, missing) }, () => hints.put('claim')));
  }

  async #heard(kind: string, { hints }: Kind): Promise<'go on' | 'stop'> {
    if (this.#waiting?.kinds().has(kind)) {
      await this.#waiting.serve();
      return 'go on';
    }
    await hints.put('claim');
    return 'stop';
  }

  #kind(kind: string): Kind {
    const known = this.#kinds.get(kind);
    if (known) return known;
    const hints = new Hints(this.#redis, ['wake', ...JSON.parse(kind)].join(':'));
    const made: Kind = { hints, begin: undefined };
    this.#kinds.set(kind, made);
    return made;
  }
}

/** One set of labels, as this server knows it. */
interface Kind {
  readonly hints: Hints;
  begin: NodeJS.Timeout | undefined;
}
