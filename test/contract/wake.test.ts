import { type Waiting, type Wake, WakeHere } from '@reprise/server/queue/wake.ts';
import { WakeThroughRedis } from '@reprise/server/queue/wake-through-redis.ts';
import { RedisConnections } from '@reprise/server/redis/connections.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RedisServer } from '../rig/redis.ts';

const LINUX = '["linux"]';
const ARM = '["arm","linux"]';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

/** The database, as far as it matters here: what may be claimed, and how often each server looked. */
class Jobs {
  readonly ready = new Map<string, number>();

  add(kind: string, count = 1): void {
    this.ready.set(kind, (this.ready.get(kind) ?? 0) + count);
  }

  take(kind: string): boolean {
    const left = this.ready.get(kind) ?? 0;
    if (left > 0) this.ready.set(kind, left - 1);
    return left > 0;
  }
}

/** A server whose runners wait. */
class Server implements AsyncDisposable {
  readonly wake: Wake;
  readonly #jobs: Jobs;
  readonly #waiting: { kind: string; got(): void }[] = [];
  readonly #own: AsyncDisposable[];
  rounds = 0;

  constructor(jobs: Jobs, wake: Wake, own: AsyncDisposable[] = []) {
    this.#jobs = jobs;
    this.wake = wake;
    this.#own = own;
    const waiting: Waiting = {
      serve: async () => this.#serve(),
      kinds: () => new Set(this.#waiting.map(({ kind }) => kind)),
      claimable: async () => [...jobs.ready].filter(([, count]) => count > 0).map(([kind]) => kind),
    };
    wake.start(waiting);
  }

  /** A runner of that kind waits until it has a job. */
  async waits(kind: string): Promise<void> {
    if (this.#jobs.take(kind)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ kind, got: resolve });
    this.wake.waits(kind);
    await promise;
  }

  #serve(): void {
    this.rounds += 1;
    for (const waiter of [...this.#waiting]) {
      if (!this.#jobs.take(waiter.kind)) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      waiter.got();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.wake[Symbol.asyncDispose]();
    for (const each of this.#own) await each[Symbol.asyncDispose]();
  }
}

/** Two servers of one installation; of one that has but one, it twice. */
const ENGINES: [string, (jobs: Jobs) => Promise<[Server, Server]>][] = [
  [
    'in one process',
    async (jobs) => {
      const one = new Server(jobs, new WakeHere());
      return [one, one];
    },
  ],
  ['through Redis', async (jobs) => [await onRedis(jobs), await onRedis(jobs)]],
];

describe.each(ENGINES)('word of work, %s', (_name, open) => {
  let jobs: Jobs;
  beforeEach(() => {
    jobs = new Jobs();
  });

  test('reaches the server where a runner waits', async () => {
    const [here, there] = await open(jobs);
    await using _ = here;
    await using __ = there;
    const got = there.waits(LINUX);
    jobs.add(LINUX);
    here.wake.wake();
    await got;
    expect(jobs.ready.get(LINUX)).toBe(0);
  });

  test('reaches every runner that something is there for, on each server', async () => {
    const [here, there] = await open(jobs);
    await using _ = here;
    await using __ = there;
    const got = [here, there, here, there, there].map((server) => server.waits(LINUX));
    const other = there.waits(ARM);
    jobs.add(LINUX, 5);
    jobs.add(ARM);
    here.wake.wake();
    await Promise.all([...got, other]);
    expect([...jobs.ready.values()]).toEqual([0, 0]);
  });

  test('reaches a runner that waits again and again, a thousand times', async () => {
    const [here, there] = await open(jobs);
    await using _ = here;
    await using __ = there;
    for (let i = 0; i < 1000; i++) {
      const got = there.waits(LINUX);
      jobs.add(LINUX);
      here.wake.wake();
      await got;
    }
    expect(jobs.ready.get(LINUX)).toBe(0);
  });

  test('that comes a thousand times while nobody waits leads to a few looks only', async () => {
    const [here, there] = await open(jobs);
    await using _ = here;
    await using __ = there;
    for (let i = 0; i < 1000; i++) {
      jobs.add(LINUX);
      here.wake.wake();
      await new Promise(setImmediate);
    }
    const before = there.rounds;
    for (let i = 0; i < 1000; i++) await there.waits(LINUX);
    expect(there.rounds - before).toBeLessThan(10);
  });
});

describe('word of work through Redis', () => {
  let jobs: Jobs;
  beforeEach(() => {
    jobs = new Jobs();
  });

  test('neither fails nor waits while Redis is stopped or gone, and comes again afterwards, even with nothing kept', async () => {
    await using own = await RedisServer.start();
    await using here = await onRedis(jobs, own);
    await using there = await onRedis(jobs, own);
    const got = there.waits(LINUX);
    await own.signal('SIGSTOP');
    const before = performance.now();
    here.wake.wake();
    expect(performance.now() - before).toBeLessThan(50);
    await own.signal('SIGKILL');
    here.wake.wake();
    await own.startAgain();
    jobs.add(LINUX);
    // As each server's own look every few seconds would.
    const again = setInterval(() => here.wake.wake(), 20);
    await got;
    clearInterval(again);
  });

  test('is kept in few entries, whatever is missed, and a flushed Redis does no harm', async () => {
    await using here = await onRedis(jobs);
    await using there = await onRedis(jobs);
    jobs.add(LINUX, 100);
    for (let i = 0; i < 100; i++) {
      here.wake.wake();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await using asking = new RedisConnections(redis.settings, pino({ level: 'silent' }));
    await expect.poll(() => asking.commands.llen('reprise:wake:linux:wait')).toBe(4);
    await asking.commands.flushall();
    jobs.ready.clear();
    const got = there.waits(LINUX);
    jobs.add(LINUX);
    here.wake.wake();
    await got;
  });

  test('ends in order while Redis is away', async () => {
    const own = await RedisServer.start();
    const here = await onRedis(jobs, own);
    void here.waits(LINUX);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await own.signal('SIGSTOP');
    const before = performance.now();
    await here[Symbol.asyncDispose]();
    expect(performance.now() - before).toBeLessThan(3000);
    await own[Symbol.asyncDispose]();
  });
});

async function onRedis(jobs: Jobs, on = redis): Promise<Server> {
  const connections = new RedisConnections(on.settings, pino({ level: 'silent' }));
  await expect.poll(() => connections.isReady).toBe(true);
  return new Server(jobs, new WakeThroughRedis(connections), [connections]);
}
