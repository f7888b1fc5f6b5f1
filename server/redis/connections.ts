import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import type { RedisSettings } from './redis-url.ts';

/** A command that has no answer by then has failed: who sent it does not wait on, and nothing is lost with it. */
const ANSWER_MS = 2000;
/** Who waits in Redis waits five seconds at a time: a connection that is silent for longer is a dead one. */
const BLOCKED_MS = 10_000;
/** For what must not wait: it fails where Redis is away. */
const AT_ONCE: RedisOptions = {
  enableOfflineQueue: false,
  commandTimeout: ANSWER_MS,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
};
/** Between two tries to connect again, at most. */
const AGAIN_MS = 1000;
/** What goes wrong with Redis is said once in this time, however often it does. */
const SAY_EVERY_MS = 60_000;

/**
 * This server's connections to Redis. Whatever is sent through `commands` fails at once while Redis is away: only hints go
 * there, so that losing one is no fault, and waiting for one would be.
 */
export class RedisConnections implements AsyncDisposable {
  readonly #settings: RedisSettings;
  readonly #log: Logger;
  readonly #open: Redis[] = [];
  #isClosed = false;
  #subscriber: Redis | undefined;
  #saidAt = Number.NEGATIVE_INFINITY;
  readonly commands: Redis;

  constructor(settings: RedisSettings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
    this.commands = this.#connect(AT_ONCE);
  }

  /**
   * A connection for who publishes and does not look at what becomes of it; `sent` is told. Those who read make theirs from
   * it, which wait for Redis.
   */
  publisher(sent: (isSent: boolean) => void): Redis {
    const client = this.#connect(AT_ONCE);
    const publish = client.publish.bind(client);
    client.publish = async (...message: Parameters<typeof publish>) => {
      try {
        const heardBy = await publish(...message);
        sent(true);
        return heardBy;
      } catch (error) {
        sent(false);
        this.failed(error);
        return 0;
      }
    };
    client.duplicate = () => {
      const reader = this.waiting();
      const subscribe = reader.subscribe.bind(reader);
      // It waits for Redis, so that it fails only when everything ends, and nobody looks at that.
      reader.subscribe = ((...to: Parameters<typeof subscribe>) =>
        subscribe(...to).catch((error) => this.failed(error))) as typeof reader.subscribe;
      return reader;
    };
    return client;
  }

  /** A connection for who waits in Redis for something to come: it is away as long as Redis is, and goes on afterwards. */
  waiting(): Redis {
    return this.#connect({
      maxRetriesPerRequest: null,
      enableReadyCheck: false,
      blockingTimeout: BLOCKED_MS,
    });
  }

  /** The one that hears what Redis publishes. */
  get subscriber(): Redis {
    this.#subscriber ??= this.waiting();
    return this.#subscriber;
  }

  /** Whether Redis can be spoken to, as far as is known. */
  get isReady(): boolean {
    return this.commands.status === 'ready';
  }

  /** Asks Redis something: rejects within two seconds when it does not answer. */
  async ping(): Promise<void> {
    await this.commands.ping();
  }

  /** Says what went wrong, once a minute. */
  failed(error: unknown): void {
    const now = performance.now();
    if (this.#isClosed || now - this.#saidAt < SAY_EVERY_MS) return;
    this.#saidAt = now;
    this.#log.warn({ err: error }, 'Redis is away; runners and pages hear of news some seconds later');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const client of this.#open) client.disconnect();
  }

  #connect(how: RedisOptions): Redis {
    const { at, username, password, database, tls } = this.#settings;
    const client = new Redis({
      ...at,
      ...(username !== null && { username }),
      ...(password !== null && { password: password.reveal() }),
      ...(tls && { tls: {} }),
      db: database,
      connectTimeout: 5000,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), AGAIN_MS),
      ...how,
    });
    // Every queue of Bull listens to it for itself.
    client.setMaxListeners(0);
    client.on('error', (error) => this.failed(error));
    this.#open.push(client);
    return client;
  }
}
