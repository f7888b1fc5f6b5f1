import { expect, test } from 'vitest';
import { FaultProxy } from '../../rig/fault-proxy.ts';
import { RedisServer } from '../../rig/redis.ts';
import { startS3 } from '../../rig/s3.ts';
import { ServerHere } from '../../rig/server-here.ts';

test('a server that is told to end says at once that it is not ready, and answers on until the balancer has noticed', async () => {
  const here = await ServerHere.start({ REPRISE_DRAIN_SECONDS: '1' });
  const { address } = here;
  expect((await fetch(`${address}/readyz`)).status).toBe(200);
  const ended = here[Symbol.asyncDispose]();
  const before = performance.now();
  const drained = await fetch(`${address}/readyz`);
  expect(drained.status).toBe(503);
  expect(await drained.json()).toMatchObject({ status: 'not ready' });
  expect((await fetch(`${address}/healthz`)).status).toBe(200);
  expect((await here.admin('GET', '/api/projects')).status).toBe(200);
  await ended;
  expect(performance.now() - before).toBeGreaterThan(900);
  await expect(fetch(`${address}/readyz`)).rejects.toThrow();
});

test('a server whose Redis is away says so, works on, and is ready again when Redis is back', async () => {
  await using redis = await RedisServer.start();
  await using here = await ServerHere.start({ REDIS_URL: redis.url, REPRISE_DRAIN_SECONDS: '0' });
  const ready = async () => {
    const answer = await fetch(`${here.address}/readyz`);
    return { code: answer.status, ...((await answer.json()) as object) };
  };
  await expect.poll(ready).toMatchObject({ code: 200, status: 'ready' });
  await redis.signal('SIGSTOP');
  await expect.poll(ready, { timeout: 10_000 }).toMatchObject({ code: 503, away: ['redis'] });
  await redis.signal('SIGCONT');
  await expect.poll(ready, { timeout: 10_000 }).toMatchObject({ code: 200 });
  await redis.signal('SIGKILL');
  await expect.poll(ready, { timeout: 10_000 }).toMatchObject({ code: 503, away: ['redis'] });
  const shop = await here.project('shop', {
    '.reprise.yml': 'version: 1\njobs: {a: {steps: [run: "true"]}}\n',
  });
  const build = await here.push(shop, shop.head);
  expect((await here.planned('shop', build)).jobs).toHaveLength(1);
  await redis.startAgain();
  await expect.poll(ready, { timeout: 10_000 }).toMatchObject({ code: 200 });
});

test('a server whose storage is away says so, silent or gone, and is ready again when it is back', async () => {
  await using s3 = await startS3();
  const url = new URL(await s3.bucket('ready'));
  await using way = await FaultProxy.to(`http://${url.host}`);
  url.port = new URL(way.address).port;
  await using here = await ServerHere.start({ STORAGE_URL: url.href });
  const ready = async () => {
    const answer = await fetch(`${here.address}/readyz`);
    return { code: answer.status, ...((await answer.json()) as object) };
  };
  expect(await ready()).toMatchObject({ code: 200 });
  for (const weather of ['blackhole', 'down'] as const) {
    way.weather = weather;
    await expect.poll(ready, { timeout: 15_000 }).toMatchObject({ code: 503, away: ['storage'] });
    way.weather = 'fair';
    await expect.poll(ready, { timeout: 15_000 }).toMatchObject({ code: 200, status: 'ready' });
  }
  await s3[Symbol.asyncDispose]();
  await expect.poll(ready, { timeout: 15_000 }).toMatchObject({ code: 503, away: ['storage'] });
});
