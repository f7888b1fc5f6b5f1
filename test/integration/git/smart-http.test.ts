import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { pinnedCommits } from '@reprise/server/git/pin.ts';
import { expect, test } from 'vitest';
import { ProjectServer } from '../../rig/project-server.ts';
import { makeRepository, type TestRepository } from '../../rig/repository.ts';

interface Served {
  repository: TestRepository;
  head: string;
  url: string;
  token: string;
  buildId: string;
}

/** A project whose mirror holds one commit and a tag, and a running attempt in it. */
async function serve(rig: ProjectServer, name = 'shop'): Promise<Served> {
  const repository = makeRepository(rig.dir.join(name));
  const head = repository.commit('First', { a: 'a' });
  repository.git('tag', 'v1.0.0');
  await rig.api('POST', '/api/projects', { name, cloneUrl: repository.path });
  const { db, mirrors } = rig.services;
  const project = await db
    .selectFrom('projects')
    .selectAll()
    .where('name', '=', name)
    .executeTakeFirstOrThrow();
  await mirrors.fetch(project);
  const build = await rig.build(project.id, head, 'running');
  const { token } = await rig.attempt(build.id);
  return { repository, head, url: `${rig.address}/git/${name}.git`, token, buildId: build.id };
}

/** Runs git as a runner does; the token goes as password of the user `reprise`. */
function fetchAs(
  rig: ProjectServer,
  o: { url: string; token: string; want: string; version?: number; into: string },
) {
  execFileSync('git', ['init', '--quiet', '--bare', rig.dir.join(o.into)]);
  const basic = Buffer.from(`reprise:${o.token}`).toString('base64');
  const config = [
    '-c',
    `http.extraHeader=Authorization: Basic ${basic}`,
    '-c',
    `protocol.version=${o.version ?? 2}`,
  ];
  return run(rig, ['--git-dir', rig.dir.join(o.into), ...config, 'fetch', '--quiet', o.url, o.want]);
}

/** Without blocking this process: the server is in it. */
async function run(rig: ProjectServer, args: string[]): Promise<{ code: number | null; stderr: string }> {
  const { spawn } = await import('node:child_process');
  const child = spawn('git', args, {
    env: {
      PATH: process.env['PATH'],
      HOME: rig.dir.path,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
    },
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on('close', resolve);
  return { code: await promise, stderr };
}

test.each([0, 1, 2])('a runner fetches a commit over protocol version %i', async (version) => {
  await using rig = await ProjectServer.start();
  const { url, token, head } = await serve(rig);
  const want = version === 2 ? head : 'refs/heads/main';
  expect(await fetchAs(rig, { url, token, want, version, into: 'clone' })).toEqual({ code: 0, stderr: '' });
  expect(
    execFileSync('git', ['--git-dir', rig.dir.join('clone'), 'cat-file', '-t', head], { encoding: 'utf8' }),
  ).toBe('commit\n');
});

test('a commit that no branch leads to any more is served by its name', async () => {
  await using rig = await ProjectServer.start();
  const { repository, url, token } = await serve(rig);
  repository.git('checkout', '--quiet', '--detach');
  const gone = repository.commit('Gone', { a: 'b' });
  repository.git('checkout', '--quiet', 'main');
  const project = await rig.services.db.selectFrom('projects').selectAll().executeTakeFirstOrThrow();
  await rig.services.mirrors.fetch(project, { wants: [gone] });
  expect(await fetchAs(rig, { url, token, want: gone, into: 'clone' })).toMatchObject({ code: 0 });
});

test("only the token of a running attempt of that very project opens a project's mirror", async () => {
  await using rig = await ProjectServer.start();
  const shop = await serve(rig);
  const other = await serve(rig, 'other.app');
  const ended = await rig.attempt(shop.buildId, 'passed');
  const path = '/info/refs?service=git-upload-pack';
  const basic = (token: string) => `Basic ${Buffer.from(`reprise:${token}`).toString('base64')}`;
  const status = async (url: string, authorization?: string) => {
    const response = await fetch(`${url}${path}`, authorization ? { headers: { authorization } } : {});
    return [response.status, response.headers.get('www-authenticate')];
  };
  const refused = [401, expect.stringMatching(/^Basic realm=/)];
  expect(await status(shop.url, basic(shop.token))).toEqual([200, null]);
  expect(await status(other.url, basic(other.token))).toEqual([200, null]);
  for (const authorization of [
    undefined,
    basic(other.token),
    basic(ended.token),
    basic(`${shop.token}x`),
    basic(''),
    `Bearer ${shop.token}`,
    'Basic !!!',
    'Bearer the-token-of-the-tests-administrator-0123',
  ])
    expect(await status(shop.url, authorization), String(authorization)).toEqual(refused);
  expect(await status(`${rig.address}/git/nowhere.git`, basic(shop.token))).toEqual(refused);
  expect(await status(`${rig.address}/git/..%2Fshop.git`, basic(shop.token))).toEqual(refused);
});

test('a mirror cannot be pushed to', async () => {
  await using rig = await ProjectServer.start();
  const { url, token, repository } = await serve(rig);
  const basic = Buffer.from(`reprise:${token}`).toString('base64');
  const push = await run(rig, [
    '-C',
    repository.path,
    '-c',
    `http.extraHeader=Authorization: Basic ${basic}`,
    'push',
    url,
    'main:evil',
  ]);
  expect(push.code).not.toBe(0);
  const headers = { authorization: `Basic ${basic}` };
  expect((await fetch(`${url}/info/refs?service=git-receive-pack`, { headers })).status).toBe(403);
  expect((await fetch(`${url}/git-receive-pack`, { method: 'POST', headers, body: '0000' })).status).toBe(
    404,
  );
});

test('compressed requests are understood, and so is nonsense', async () => {
  await using rig = await ProjectServer.start();
  const { url, token, head } = await serve(rig);
  const headers = {
    authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}`,
    'content-type': 'application/x-git-upload-pack-request',
    'git-protocol': 'version=2',
  };
  const post = (body: Uint8Array | string, extra: Record<string, string> = {}) =>
    fetch(`${url}/git-upload-pack`, { method: 'POST', headers: { ...headers, ...extra }, body });
  const lsRefs = '0014command=ls-refs\n00010009peel\n0000';
  const listed = await (await post(gzipSync(lsRefs), { 'content-encoding': 'gzip' })).text();
  expect(listed).toContain(`${head} refs/heads/main`);
  for (const nonsense of ['', 'zzzz', '0014command=destroy\n0000', randomBytes(5000)])
    await (await post(nonsense)).text();
  await (await post(randomBytes(5000), { 'content-encoding': 'gzip' })).text();
  expect(await (await post(lsRefs)).text()).toContain('refs/heads/main');
});

test('what version 2 advertises is the same for every mirror, and names no ref', async () => {
  await using rig = await ProjectServer.start();
  const [shop, other] = [await serve(rig), await serve(rig, 'other')];
  const advertised = async ({ url, token }: Served) => {
    const authorization = `Basic ${Buffer.from(`x:${token}`).toString('base64')}`;
    const response = await fetch(`${url}/info/refs?service=git-upload-pack`, {
      headers: { authorization, 'git-protocol': 'version=2' },
    });
    expect(response.headers.get('content-type')).toBe('application/x-git-upload-pack-advertisement');
    expect(response.headers.get('cache-control')).toMatch(/no-cache/);
    return response.text();
  };
  const text = await advertised(shop);
  expect(text).toMatch(/^001e# service=git-upload-pack\n0000/);
  expect(text).toContain('version 2');
  expect(text).not.toContain('refs/heads');
  expect(await advertised(other)).toBe(text);
});

test('git ends when its client goes away in the middle', async () => {
  await using rig = await ProjectServer.start();
  const { repository, url, token } = await serve(rig);
  const head = repository.commit('Large', { large: randomBytes(12 << 20).toString('latin1') });
  const project = await rig.services.db.selectFrom('projects').selectAll().executeTakeFirstOrThrow();
  await rig.services.mirrors.fetch(project);
  const gone = new AbortController();
  const packet = (text: string) => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
  const response = await fetch(`${url}/git-upload-pack`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}`,
      'git-protocol': 'version=2',
    },
    body: `${packet('command=fetch')}0001${packet(`want ${head}\n`)}${packet('done\n')}0000`,
    signal: gone.signal,
  });
  await response.body?.getReader().read();
  const directory = rig.services.mirrors.directory(project);
  const serving = () =>
    readdirSync('/proc').filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory);
      } catch {
        return false;
      }
    });
  expect(serving()).not.toEqual([]);
  gone.abort();
  while (serving().length > 0) await setImmediate();
});

test('twenty runners fetch at once', async () => {
  await using rig = await ProjectServer.start();
  const { url, token, head } = await serve(rig);
  const fetched = await Promise.all(
    Array.from({ length: 20 }, (_, i) => fetchAs(rig, { url, token, want: head, into: `clone${i}` })),
  );
  expect(fetched.filter(({ code }) => code !== 0)).toEqual([]);
});

test('a mirror that cannot be read is made anew by its next fetch', async () => {
  await using rig = await ProjectServer.start();
  const { repository, url, token } = await serve(rig);
  const head = repository.commit('Second', { b: 'b' });
  const project = await rig.services.db.selectFrom('projects').selectAll().executeTakeFirstOrThrow();
  await rig.services.mirrors.fetch(project);
  // Known to be there, so that it is git that finds the damage.
  const { commit_sha: built } = await rig.services.db
    .selectFrom('builds')
    .select('commit_sha')
    .executeTakeFirstOrThrow();
  expect(await rig.services.mirrors.has(project, built)).toBe(true);
  const packs = `${rig.services.mirrors.directory(project)}/objects/pack`;
  spawnSync('sh', ['-c', `chmod u+w ${packs}/*; for p in ${packs}/*.pack; do truncate -s 40 $p; done`]);
  expect(await fetchAs(rig, { url, token, want: head, into: 'fails' })).not.toMatchObject({ code: 0 });
  await expect.poll(() => rig.logged()).toMatch(/a mirror could not be read/);
  await rig.services.mirrors.fetch(project);
  expect(await fetchAs(rig, { url, token, want: head, into: 'works' })).toMatchObject({ code: 0 });
});

test("a server whose mirror lacks a running build's commit brings and keeps it when a runner asks for it", async () => {
  await using rig = await ProjectServer.start();
  const { url, token, head } = await serve(rig);
  const project = await rig.services.db.selectFrom('projects').selectAll().executeTakeFirstOrThrow();
  await rig.services.mirrors.remove(project);
  expect(await fetchAs(rig, { url, token, want: head, into: 'fetched' })).toMatchObject({ code: 0 });
  expect(await pinnedCommits(rig.services.mirrors.directory(project))).toEqual([head]);
});
