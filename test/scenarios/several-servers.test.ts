import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, rmSync } from 'node:fs';
import type { Build } from '@reprise/server/api.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeToken, signIn } from '../rig/accounts.ts';
import { Cluster } from '../rig/cluster.ts';
import { HAPROXY_CFG } from '../rig/haproxy.ts';
import { ADMIN_TOKEN } from '../rig/reprise.ts';
import { Watcher } from '../rig/watcher.ts';

const LINES = 1000;
const TALKS = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "line $i of the job"; sleep 0.004; done`;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start(3);
  await cluster.project('shop', {
    '.reprise.yml': `version: 1
jobs:
  talks: {steps: [{run: ${JSON.stringify(TALKS)}}]}
`,
  });
  await cluster.project('hangs', {
    '.reprise.yml': 'version: 1\njobs: {waits: {runs-on: [direct], steps: [{run: sleep 600}]}}\n',
  });
  cluster.startOwnRunner('one', { REPRISE_CAPACITY: '2' });
});
afterAll(() => cluster[Symbol.asyncDispose]());

test('a page follows a log while every server it may be at is killed in turn: no gap, no line twice', async () => {
  const number = await cluster.build('shop');
  using watcher = new Watcher(cluster.address, ADMIN_TOKEN);
  await running('shop', number);
  const log = watcher.log(`log:shop/${number}/talks/1`);
  for (const [at, server] of cluster.servers.entries()) {
    const before = log.bytes().length;
    await expect.poll(() => log.bytes().length, { timeout: 30_000 }).toBeGreaterThan(before + 500);
    await server.process.kill();
    const killed = log.bytes().length;
    await expect.poll(() => log.bytes().length, { timeout: 30_000 }).toBeGreaterThan(killed);
    await cluster.startServer(at);
    await expect.poll(async () => (await fetch(`${server.address}/readyz`)).status).toBe(200);
  }
  const seen = (await log.ended).toString();
  const build = await ended('shop', number);
  expect(build).toMatchObject({ status: 'passed', jobs: [{ attempt: 1 }] });
  const path = `/api/projects/shop/builds/${number}/jobs/talks/log`;
  const stored = await fetch(`${cluster.address}${path}`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  expect(sha256(seen)).toBe(sha256(await stored.text()));
  const numbers = [...seen.matchAll(/line (\d+) of the job/g)].map(([, n]) => Number(n));
  expect(numbers).toEqual(Array.from({ length: LINES }, (_, i) => i + 1));
});

test('a cancel at one server is heard at once by a runner that stands at another', async () => {
  const [first, second] = cluster.servers;
  await cluster.startRunner('direct', { labels: ['direct'], address: first?.address ?? '' });
  const number = await cluster.build('hangs');
  await running('hangs', number);
  const before = performance.now();
  await cluster.api('POST', `/api/projects/hangs/builds/${number}/cancel`, {}, second?.address);
  expect(await ended('hangs', number)).toMatchObject({ status: 'cancelled' });
  // Its next renewal would have been up to 15 s later; TERM and KILL are 10 s apart.
  expect(performance.now() - before).toBeLessThan(5000);
});

test('a token that is revoked at one server ends its sockets at another within a second', async () => {
  const [first, second] = cluster.servers;
  const person = await signIn(cluster.address, { login: 'alice', role: 'admin' });
  const { token, id } = await makeToken(person, { name: 'watcher', role: 'viewer' });
  using watcher = new Watcher(first?.address ?? '', token);
  await watcher.connected();
  const gone = new Promise((resolve) => watcher.socket.once('disconnect', resolve));
  const before = performance.now();
  await cluster.api('DELETE', `/api/tokens/${id}`, undefined, second?.address);
  await gone;
  expect(performance.now() - before).toBeLessThan(1000);
});

test('failed sign-ins are counted by all servers together', async () => {
  const wrong = { login: 'nobody-here', password: 'this is not the password' };
  const signIn = (at: number) =>
    fetch(`${cluster.servers[at % 3]?.address}/api/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(wrong),
    });
  for (let at = 0; at < 10; at++) expect((await signIn(at)).status).toBe(401);
  for (const at of [0, 1, 2]) expect((await signIn(at)).status).toBe(429);
});

test('a server that is told to end drains: no request fails, no build is lost, and it is gone within 30 s', async () => {
  const number = await cluster.build('shop');
  await running('shop', number);
  const [first] = cluster.servers;
  const before = performance.now();
  let isStopping = true;
  const stopped = first?.process.stop().finally(() => {
    isStopping = false;
  });
  const statuses = new Set<number>();
  while (isStopping) {
    statuses.add((await fetch(`${cluster.address}/healthz`)).status);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await stopped;
  expect(performance.now() - before).toBeLessThan(30_000);
  expect([...statuses]).toEqual([200]);
  expect(await ended('shop', number)).toMatchObject({ status: 'passed', jobs: [{ attempt: 1 }] });
  await cluster.startServer(0);
});

test('a commit that upstream forgot, and whose servers are lost with their disks, is built again with the same bytes', async () => {
  const { repository } = await cluster.project('forgets', {
    '.reprise.yml': `version: 1
jobs:
  packs: {runs-on: [fresh], steps: [{run: mkdir dist && cp text dist}], artifact: {name: kept, paths: [dist]}}
`,
    text: 'first',
  });
  repository.git('checkout', '--quiet', '-b', 'fork');
  const sha = repository.commit('On a fork', { text: 'of the fork' });
  const first = await cluster.startRunner('first', { labels: ['fresh'] });
  await cluster.api('POST', '/api/projects/forgets/builds', { ref: 'fork' });
  const built = await ended('forgets', 1);
  expect(built).toMatchObject({ status: 'passed', commit: sha });
  const stored = /"project":"forgets".*built commits were put into the storage/;
  await Promise.any(cluster.servers.map(({ process }) => process.line(stored)));

  repository.git('checkout', '--quiet', 'main');
  repository.git('branch', '--quiet', '-D', 'fork');
  repository.git('reflog', 'expire', '--expire=now', '--all');
  repository.git('gc', '--quiet', '--prune=now');
  expect(() => repository.git('cat-file', '-e', sha)).toThrow();
  await first.stop();
  const having = cluster.servers.flatMap((_, at) => (hasPinned(at, sha) ? [at] : []));
  expect(having).not.toEqual([]);
  for (const at of having) {
    await cluster.servers[at]?.process.kill();
    rmSync(cluster.path(`server-${at}`), { recursive: true });
  }
  // As many as there were, with empty disks.
  for (const at of having) await cluster.startServer(at);
  await cluster.startRunner('second', { labels: ['fresh'] });
  await cluster.insist('POST', '/api/projects/forgets/builds/1/rebuild', { reason: 'once more' });
  const again = await ended('forgets', 2);
  expect(again).toMatchObject({ status: 'passed', commit: sha });
  expect(again.artifacts[0]?.sha256).toBe(built.artifacts[0]?.sha256);
});

test("HAProxy finds nothing wrong with the documents' configuration as it stands", () => {
  expect(() => execFileSync('haproxy', ['-c', '-f', HAPROXY_CFG], { stdio: 'pipe' })).not.toThrow();
});

function hasPinned(at: number, sha: string): boolean {
  const mirrors = cluster.path(`server-${at}`, 'mirrors');
  return globSync(`*/refs/reprise/keep/${sha}`, { cwd: mirrors }).length > 0;
}

function running(project: string, number: number): Promise<Build> {
  return until(project, number, (build) => build.jobs.some(({ status }) => status === 'running'));
}

function ended(project: string, number: number): Promise<Build> {
  return until(project, number, (build) => build.finishedAt !== null);
}

async function until(project: string, number: number, is: (build: Build) => boolean): Promise<Build> {
  let build: Build | undefined;
  const look = async () => {
    build = await cluster.insist<Build>('GET', `/api/projects/${project}/builds/${number}`);
    return is(build);
  };
  await expect.poll(look, { timeout: 60_000, interval: 50 }).toBe(true);
  return build as Build;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
