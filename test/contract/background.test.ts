import { RedisConnections } from '@reprise/server/redis/connections.ts';
import { type Background, BackgroundHere } from '@reprise/server/servers/background.ts';
import { BackgroundThroughRedis } from '@reprise/server/servers/background-through-redis.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { RedisServer } from '../rig/redis.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

type Opened = { servers: Background[] } & AsyncDisposable;

const ENGINES: [string, () => Promise<Opened>][] = [
  [
    'in one process',
    async () => {
      const one = new BackgroundHere();
      return { servers: [one], [Symbol.asyncDispose]: () => one[Symbol.asyncDispose]() };
    },
  ],
  ['through Redis', () => onRedis(redis)],
];

describe.each(ENGINES)('background work, %s', (_name, open) => {
  test('is looked for by every server when it starts, and again by one of them for each call', async () => {
    await using opened = await open();
    const looks = opened.servers.map((server) => {
      const work = vi.fn();
      server.on('plan', work);
      server.start();
      return work;
    });
    expect(looks.map(({ mock }) => mock.calls.length)).toEqual(opened.servers.map(() => 1));
    const sum = () => looks.reduce((all, { mock }) => all + mock.calls.length, 0);
    for (let n = 1; n <= 20; n++) {
      opened.servers[0]?.wake('plan');
      await expect.poll(sum, { interval: 2 }).toBe(opened.servers.length + n);
    }
  });

  test('of one name is not looked for when another is called, nor before the start, nor after the end', async () => {
    const opened = await open();
    const [first] = opened.servers;
    const plan = vi.fn();
    const clean = vi.fn();
    first?.on('plan', plan);
    first?.on('clean', clean);
    first?.wake('plan');
    expect(plan).not.toHaveBeenCalled();
    for (const server of opened.servers) server.start();
    clean.mockClear();
    plan.mockClear();
    first?.wake('unknown');
    first?.wake('clean');
    await expect.poll(() => clean.mock.calls.length + (opened.servers.length - 1)).toBeGreaterThan(0);
    expect(plan).toHaveBeenCalledTimes(0);
    await opened[Symbol.asyncDispose]();
    clean.mockClear();
    first?.wake('clean');
    expect(clean).not.toHaveBeenCalled();
  });
});

describe('background work through Redis', () => {
  test('is looked for here at once while Redis is gone or silent, and without a wait', async () => {
    await using own = await RedisServer.start();
    await using opened = await onRedis(own);
    const [first] = opened.servers;
    const work = vi.fn();
    first?.on('plan', work);
    first?.start();
    await own.signal('SIGKILL');
    work.mockClear();
    const before = performance.now();
    first?.wake('plan');
    expect(performance.now() - before).toBeLessThan(50);
    await expect.poll(() => work.mock.calls.length).toBe(1);
    await own.startAgain();
    await own.signal('SIGSTOP');
    first?.wake('plan');
    await expect.poll(() => work.mock.calls.length, { timeout: 5000 }).toBe(2);
  });

  test('that no server knows, or that another program put there, ends no server', async () => {
    await using own = await RedisServer.start();
    await using opened = await onRedis(own);
    const [first, second] = opened.servers;
    const work = vi.fn();
    first?.on('plan', work);
    first?.start();
    second?.wake('of-a-newer-server');
    await using asking = new RedisConnections(own.settings, pino({ level: 'silent' }));
    await expect.poll(() => asking.isReady).toBe(true);
    await asking.commands.lpush('reprise:background:wait', 'no-such-job');
    work.mockClear();
    second?.wake('plan');
    await expect.poll(() => work.mock.calls.length).toBe(1);
    await expect.poll(() => asking.commands.llen('reprise:background:wait')).toBe(0);
  });
});

async function onRedis(on: RedisServer): Promise<Opened> {
  const connections = [0, 1].map(() => new RedisConnections(on.settings, pino({ level: 'silent' })));
  for (const each of connections) await expect.poll(() => each.isReady).toBe(true);
  const servers = connections.map((each) => new BackgroundThroughRedis(each));
  return {
    servers,
    async [Symbol.asyncDispose]() {
      for (const each of servers) await each[Symbol.asyncDispose]();
      for (const each of connections) await each[Symbol.asyncDispose]();
    },
  };
}
