import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import type { ServerConfig } from '../config.ts';
import type { Database } from '../db/schema.ts';
import { type Wake, WakeHere } from '../queue/wake.ts';
import type { RedisConnections } from '../redis/connections.ts';
import { type Background, BackgroundHere } from './background.ts';
import { type Holds, HoldsHere } from './holds.ts';
import { type NewsBoard, NewsHere } from './news.ts';
import { SharedHolds } from './shared-holds.ts';

/** How the servers of an installation come to know of each other's work. */
export interface Exchange extends AsyncDisposable {
  wake: Wake;
  background: Background;
  holds: Holds;
  news: NewsBoard;
  /** null: there is but this server. */
  redis: RedisConnections | null;
}

/** Renewals of a runner's lease until a server that was not heard of has lost what it held. */
const HOLD_RENEWALS = 2;

/**
 * Opens what servers tell each other through: Redis where it is set, else nothing beyond this process. The libraries for it
 * are loaded only then. That Redis is away is no reason not to start.
 */
export async function openExchange(
  { redis: settings, times }: Pick<ServerConfig, 'redis' | 'times'>,
  o: { db: Kysely<Database>; log: Logger; now(): number },
): Promise<Exchange> {
  if (settings === null) return exchangeHere();
  const { RedisConnections } = await import('../redis/connections.ts');
  const { WakeThroughRedis } = await import('../queue/wake-through-redis.ts');
  const { BackgroundThroughRedis } = await import('./background-through-redis.ts');
  const { NewsThroughRedis } = await import('./news-through-redis.ts');
  const redis = new RedisConnections(settings, o.log);
  const wake = new WakeThroughRedis(redis);
  const background = new BackgroundThroughRedis(redis);
  const news = new NewsThroughRedis(redis);
  return {
    wake,
    background,
    holds: new SharedHolds({ ...o, holdMs: HOLD_RENEWALS * times.renewMs }),
    news,
    redis,
    async [Symbol.asyncDispose]() {
      for (const each of [wake, background, news]) await each[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}

function exchangeHere(): Exchange {
  const wake = new WakeHere();
  const background = new BackgroundHere();
  return {
    wake,
    background,
    holds: new HoldsHere(),
    news: new NewsHere(),
    redis: null,
    async [Symbol.asyncDispose]() {
      await wake[Symbol.asyncDispose]();
      await background[Symbol.asyncDispose]();
    },
  };
}
