import { RedisConnections } from '@reprise/server/redis/connections.ts';
import { type News, type NewsBoard, NewsHere } from '@reprise/server/servers/news.ts';
import { NewsThroughRedis } from '@reprise/server/servers/news-through-redis.ts';
import { pino } from 'pino';
import { Server as SocketServer } from 'socket.io';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisServer } from '../rig/redis.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

/** A server, and what it heard of others. */
class Server implements AsyncDisposable {
  readonly board: NewsBoard;
  readonly heard: Required<News> = { changed: [], grew: [], ended: [], noticed: [], dismissed: [] };
  unsure = 0;
  /** Messages heard since it was last unsure: each server sends one every few seconds. */
  calm = 0;
  readonly #own: AsyncDisposable[];

  constructor(board: NewsBoard, own: AsyncDisposable[] = []) {
    this.board = board;
    this.#own = own;
    board.on({
      news: (news) => {
        for (const [kind, items] of Object.entries(news))
          this.heard[kind as keyof News].push(...(items as never[]));
        this.calm += 1;
      },
      unsure: () => {
        this.unsure += 1;
        this.calm = 0;
      },
    });
    board.attach(new SocketServer());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.board[Symbol.asyncDispose]();
    for (const each of this.#own) await each[Symbol.asyncDispose]();
  }
}

async function onRedis(on = redis): Promise<Server> {
  const connections = new RedisConnections(on.settings, pino({ level: 'silent' }));
  await expect.poll(() => connections.isReady).toBe(true);
  return new Server(new NewsThroughRedis(connections), [connections]);
}

/** Both hear each other. */
async function pair(on = redis): Promise<[Server, Server]> {
  const [here, there] = [await onRedis(on), await onRedis(on)];
  await expect
    .poll(() => {
      here.board.tell({ noticed: ['first'] });
      there.board.tell({ noticed: ['first'] });
      return here.heard.noticed.length > 0 && there.heard.noticed.length > 0;
    })
    .toBe(true);
  return [here, there];
}

describe.each<[string, () => Promise<Server>]>([
  ['in one process', async () => new Server(new NewsHere())],
  ['through Redis', () => onRedis()],
])('news, %s', (_name, open) => {
  test('are never heard by the server that tells them, and never refused', async () => {
    await using here = await open();
    for (let i = 0; i < 100; i++) here.board.tell({ changed: [`build:shop/${i}`] });
    await here.board[Symbol.asyncDispose]();
    expect(here.heard.changed).toEqual([]);
  });
});

describe('news through Redis', () => {
  test('reach the other server, in their order, each kind whole', async () => {
    const [here, there] = await pair();
    await using _ = here;
    await using __ = there;
    const topics = Array.from({ length: 500 }, (_, i) => `build:shop/${i}`);
    for (const topic of topics) {
      here.board.tell({ changed: [topic] });
      if (topic.endsWith('0')) await new Promise(setImmediate);
    }
    here.board.tell({ grew: [['a1', 10]], ended: ['session'], noticed: ['runner'], dismissed: ['other'] });
    await expect.poll(() => there.heard.changed.length).toBe(500);
    expect(there.heard.changed).toEqual(topics);
    await expect.poll(() => there.heard.dismissed).toEqual(['other']);
    expect(there.heard).toMatchObject({ grew: [['a1', 10]], ended: ['session'] });
    expect(there.heard.noticed.at(-1)).toBe('runner');
    expect(here.heard.changed).toEqual([]);
  });

  test('that were told together name a topic, a runner and a log once', async () => {
    const [here, there] = await pair();
    await using _ = here;
    await using __ = there;
    for (let size = 1; size <= 1000; size++) here.board.tell({ changed: ['queue'], grew: [['a1', size]] });
    await expect.poll(() => there.heard.grew).toEqual([['a1', 1000]]);
    expect(there.heard.changed).toEqual(['queue']);
  });

  test('that were lost make the other server look at everything within seconds', async () => {
    await using own = await RedisServer.start();
    const [here, there] = await pair(own);
    await using _ = here;
    await using __ = there;
    await own.signal('SIGKILL');
    const before = there.unsure;
    here.board.tell({ changed: ['build:shop/1'], ended: ['session'] });
    await expect.poll(() => there.unsure, { timeout: 6000 }).toBeGreaterThan(before);
    await own.startAgain();
    here.heard.noticed.length = 0;
    await expect
      .poll(
        () => {
          there.board.tell({ noticed: ['again'] });
          return here.heard.noticed.includes('again');
        },
        { timeout: 6000 },
      )
      .toBe(true);
    // Once both hear each other all is as before.
    await expect.poll(() => Math.min(here.calm, there.calm), { timeout: 20_000 }).toBeGreaterThan(2);
  });

  test('do not come from a Redis that is silent: everything counts as changed until it speaks again', async () => {
    await using own = await RedisServer.start();
    const [here, there] = await pair(own);
    await using _ = here;
    await using __ = there;
    await own.signal('SIGSTOP');
    const before = there.unsure;
    const told = performance.now();
    here.board.tell({ changed: ['build:shop/1'] });
    expect(performance.now() - told).toBeLessThan(50);
    await expect.poll(() => there.unsure, { timeout: 10_000 }).toBeGreaterThan(before);
    await own.signal('SIGCONT');
    await expect.poll(() => there.heard.changed.includes('build:shop/1'), { timeout: 10_000 }).toBe(true);
  });
});
