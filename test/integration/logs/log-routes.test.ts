import type { Assignment } from '@reprise/runner/protocol.ts';
import type { LogLines, LogMatches } from '@reprise/server/logs/log.api.ts';
import { describe, expect, test } from 'vitest';
import { PuppetRunner, sha256 } from '../../rig/puppet-runner.ts';
import { ADMIN_TOKEN, QueueServer } from '../../rig/queue-server.ts';

const LOG = '/api/projects/app/builds/1/jobs/test/log';

test('the log of a job that nobody has tried yet is empty', async () => {
  await using server = await QueueServer.start();
  await server.build({ name: 'test' });
  const { status, text, headers } = await get(server, LOG);
  expect([status, text, headers.get('content-type')]).toEqual([200, '', 'text/plain; charset=utf-8']);
  expect((await server.admin('GET', `${LOG}/lines`)).body).toEqual({ lines: [], total: 0 });
  expect((await server.admin('GET', `${LOG}/search?q=x`)).body).toEqual({ matches: [], more: false });
});

test('a log is there while it grows, as it was written, and can do nothing to a browser', async () => {
  await using server = await QueueServer.start();
  const { runner, work } = await running(server);
  const bytes = Buffer.from('<script>alert(1)</script>\n\x1b[31mrot\xff\n', 'latin1');
  await runner.log(work, 0, bytes);
  const { status, bytes: body, headers } = await get(server, LOG);
  expect(status).toBe(200);
  expect(body.equals(bytes)).toBe(true);
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-security-policy')).toBe("sandbox; default-src 'none'");
  expect(headers.get('content-disposition')).toBe('inline; filename="app-1-test.log"');
  await runner.log(work, bytes.length, 'more\n');
  expect((await get(server, LOG, { range: `bytes=${bytes.length}-` })).text).toBe('more\n');
});

describe('ranges', () => {
  test.each([
    ['bytes=0-4', 206, '01234', 'bytes 0-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=0-', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=0-1,3-4', 200, '0123456789', null],
    ['bytes=nonsense', 200, '0123456789', null],
  ])('%s', async (range, status, text, contentRange) => {
    await using server = await QueueServer.start();
    const { runner, work } = await running(server);
    await runner.log(work, 0, '0123456789');
    const answer = await get(server, LOG, { range });
    expect([answer.status, answer.text, answer.headers.get('content-range')]).toEqual([
      status,
      text,
      contentRange,
    ]);
    expect(answer.headers.get('content-length')).toBe(String(text.length));
  });

  test('beyond the end there is nothing yet', async () => {
    await using server = await QueueServer.start();
    const { runner, work } = await running(server);
    await runner.log(work, 0, '0123456789');
    const { status, text, headers } = await get(server, LOG, { range: 'bytes=10-' });
    expect([status, headers.get('content-range')]).toEqual([416, 'bytes */10']);
    expect(JSON.parse(text)).toMatchObject({ code: 'range-not-satisfiable', size: 10 });
  });

  test('HEAD tells the size', async () => {
    await using server = await QueueServer.start();
    const { runner, work } = await running(server);
    await runner.log(work, 0, '0123456789');
    const { status, text, headers } = await get(server, LOG, {}, 'HEAD');
    expect([status, text, headers.get('content-length')]).toEqual([200, '', '10']);
  });
});

test('each attempt has its own log; without a number the latest is meant', async () => {
  await using server = await QueueServer.start();
  const number = await server.build({ name: 'test', retry: 1 });
  const runner = await PuppetRunner.connect(server);
  const first = await runner.take();
  await runner.log(first, 0, 'first\n');
  await runner.finish(first, { status: 'failed', logSize: 6, logSha256: sha256('first\n') });
  await runner.log(await runner.take(), 0, 'second\n');
  expect((await server.state(number)).attempts).toHaveLength(2);
  expect((await get(server, LOG)).text).toBe('second\n');
  expect((await get(server, `${LOG}?attempt=1`)).text).toBe('first\n');
  expect((await server.admin<LogLines>('GET', `${LOG}/lines?attempt=1`)).body).toMatchObject({
    lines: [{ text: 'first' }],
  });
  expect((await server.admin<LogMatches>('GET', `${LOG}/search?attempt=1&q=S`)).body).toMatchObject({
    matches: [{ text: 'first' }],
  });
});

test('lines come with their times as instants, from a number, from the end, or from a byte', async () => {
  await using server = await QueueServer.start();
  const { runner, work } = await running(server);
  await runner.log(work, 0, 'one\ntwo\n');
  const { at } = (await lines(server, '?count=1')).lines[0] ?? {};
  expect(Math.abs(Date.parse(at ?? '') - Date.now())).toBeLessThan(30_000);
  server.clock.advance(60_000);
  await runner.log(work, 8, 'three\n');
  const all = await lines(server);
  expect(all).toMatchObject({
    lines: [
      { number: 1, offset: 0, length: 3, at, text: 'one' },
      { number: 2, offset: 4, length: 3, at, text: 'two' },
      { number: 3, offset: 8, length: 5, text: 'three' },
    ],
    total: 3,
  });
  expect(Date.parse(all.lines[2]?.at ?? '') - Date.parse(at ?? '')).toBeGreaterThanOrEqual(60_000);
  expect(await lines(server, '?from=2&count=1')).toEqual({ lines: [all.lines[1]], total: 3 });
  expect(await lines(server, '?from=-1')).toEqual({ lines: [all.lines[2]], total: 3 });
  expect(await lines(server, '?offset=6&count=1')).toEqual({ lines: [all.lines[1]], total: 3 });
  expect(await lines(server, '?count=0')).toEqual({ lines: [], total: 3 });
});

test('a search says whether there is more than was asked for', async () => {
  await using server = await QueueServer.start();
  const { runner, work } = await running(server);
  await runner.log(work, 0, 'error 1\nfine\nERROR 2\nerror 3\n');
  const search = async (query: string) =>
    (await server.admin<LogMatches>('GET', `${LOG}/search?${query}`)).body;
  expect(await search('q=error&limit=2')).toEqual({
    matches: [
      { line: 1, offset: 0, text: 'error 1' },
      { line: 3, offset: 13, text: 'ERROR 2' },
    ],
    more: true,
  });
  expect(await search('q=error&limit=3')).toMatchObject({ more: false });
});

test.each([
  ['/api/projects/none/builds/1/jobs/test/log', 404],
  ['/api/projects/app/builds/2/jobs/test/log', 404],
  ['/api/projects/app/builds/1/jobs/none/log', 404],
  [`${LOG}?attempt=2`, 404],
  [`${LOG}?attempt=0`, 400],
  ['/api/projects/app/builds/-1/jobs/test/log', 400],
  ['/api/projects/app/builds/9223372036854775808/jobs/test/log', 400],
  [`${LOG}/lines?count=1000000`, 400],
  [`${LOG}/lines?from=x`, 400],
  [`${LOG}/search`, 400],
  [`${LOG}/search?q=`, 400],
])('%s is %i', async (path, status) => {
  await using server = await QueueServer.start();
  await running(server);
  const answer = await server.admin<{ status: number }>('GET', path);
  expect(answer.status).toBe(status);
  expect(answer.body.status).toBe(status);
});

test('nobody reads a log without saying who he is, and no runner reads one', async () => {
  await using server = await QueueServer.start();
  const { runner } = await running(server);
  for (const path of [LOG, `${LOG}/lines`, `${LOG}/search?q=x`]) {
    expect((await fetch(server.address + path)).status).toBe(401);
    expect((await get(server, path, { authorization: `Bearer ${runner.token}` })).status).toBe(403);
  }
});

async function running(server: QueueServer): Promise<{ runner: PuppetRunner; work: Assignment }> {
  await server.build({ name: 'test' });
  const runner = await PuppetRunner.connect(server);
  return { runner, work: await runner.take() };
}

async function lines(server: QueueServer, query = ''): Promise<LogLines> {
  return (await server.admin<LogLines>('GET', `${LOG}/lines${query}`)).body;
}

async function get(server: QueueServer, path: string, headers: Record<string, string> = {}, method = 'GET') {
  const authorization = `Bearer ${ADMIN_TOKEN}`;
  const response = await fetch(server.address + path, { method, headers: { authorization, ...headers } });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, bytes, text: bytes.toString() };
}
