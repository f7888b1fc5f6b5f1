import type { RedisConnections } from '../redis/connections.ts';
import { Hints } from '../redis/hints.ts';
import { type Background, BackgroundHere, type BackgroundWork } from './background.ts';

/** Calls of that time are one. */
const TELL_AFTER_MS = 5;

/**
 * For several servers: one of Bull's queues (`reprise:background`) whose jobs are named after the work. Any server takes
 * one and looks. While Redis cannot be told, the server that was called looks itself.
 */
export class BackgroundThroughRedis implements Background {
  readonly #redis: RedisConnections;
  readonly #here = new BackgroundHere();
  readonly #hints: Hints;
  readonly #telling = new Map<string, NodeJS.Timeout>();

  constructor(redis: RedisConnections) {
    this.#redis = redis;
    this.#hints = new Hints(redis, 'background');
  }

  on(name: string, work: BackgroundWork): void {
    this.#here.on(name, work);
  }

  start(): void {
    this.#here.start();
    // A name that only a newer server knows is nothing to this one; that one looks by itself.
    this.#hints.listen(async (name) => {
      this.#here.wake(name);
      return 'go on';
    });
  }

  wake(name: string): void {
    if (this.#telling.has(name)) return;
    this.#telling.set(
      name,
      setTimeout(() => void this.#tell(name), TELL_AFTER_MS),
    );
  }

  look(): void {
    this.#here.look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#here[Symbol.asyncDispose]();
    for (const timer of this.#telling.values()) clearTimeout(timer);
    this.#hints.close();
  }

  async #tell(name: string): Promise<void> {
    this.#telling.delete(name);
    try {
      await this.#hints.put(name);
    } catch (error) {
      this.#redis.failed(error);
      this.#here.wake(name);
    }
  }
}
