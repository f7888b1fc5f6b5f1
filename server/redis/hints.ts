import Bull from 'bull';
import type { RedisConnections } from './connections.ts';

/** Every key of ours begins so; a Bull dashboard is given it as its prefix. */
export const PREFIX = 'reprise';

/** After something went wrong with Redis. */
const AGAIN_MS = 1000;
/** What a server took and did not end is of one that died. */
const LEFT_BEHIND_MS = 60_000;

/**
 * One of Bull's queues, `reprise:<name>`, in which servers leave each other hints: each is heard by one server, once or
 * perhaps twice, or is lost with Redis. None is kept once it was heard.
 */
export class Hints {
  readonly #redis: RedisConnections;
  readonly #queue: Bull.Queue;
  #isListening = false;
  #isClosed = false;

  constructor(redis: RedisConnections, name: string) {
    this.#redis = redis;
    this.#queue = new Bull(name, {
      prefix: PREFIX,
      createClient(type) {
        if (type === 'client') return redis.commands;
        return type === 'subscriber' ? redis.subscriber : redis.waiting();
      },
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1 },
    });
    this.#queue.on('error', (error) => redis.failed(error));
  }

  /** Rejects, within two seconds, where Redis does not take it. */
  async put(hint: string): Promise<void> {
    if (!this.#redis.isReady) throw new Error('Redis is not connected.');
    await this.#queue.add(hint, {});
  }

  /** How many nobody has taken yet. */
  count(): Promise<number> {
    return this.#queue.getWaitingCount();
  }

  /**
   * Takes hints one after the other until `heard` says that this server does not listen any more. Goes on by itself after
   * Redis was away. A call while it listens does nothing.
   */
  listen(heard: (hint: string) => Promise<'go on' | 'stop'>): void {
    if (this.#isListening || this.#isClosed) return;
    this.#isListening = true;
    void this.#listen(heard);
  }

  /** What waits in Redis ends with the connections, which are their owner's. */
  close(): void {
    this.#isClosed = true;
  }

  async #listen(heard: (hint: string) => Promise<'go on' | 'stop'>): Promise<void> {
    let isFresh = true;
    while (!this.#isClosed) {
      try {
        if (isFresh) await this.#queue.clean(LEFT_BEHIND_MS, 'active');
        isFresh = false;
        if ((await this.#next(heard)) === 'stop') break;
      } catch (error) {
        if (this.#isClosed) break;
        this.#redis.failed(error);
        isFresh = true;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS).unref());
      }
    }
    this.#isListening = false;
  }

  /** Waits for one, five seconds at most. */
  async #next(heard: (hint: string) => Promise<'go on' | 'stop'>): Promise<'go on' | 'stop'> {
    const hint = await this.#queue.getNextJob();
    if (!hint) return 'go on';
    const answer = await heard(hint.name);
    await hint.moveToCompleted('', true, true);
    return answer;
  }
}
