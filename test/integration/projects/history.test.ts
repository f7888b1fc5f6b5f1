import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { ProjectServer } from '../../rig/project-server.ts';
import { makeRepository } from '../../rig/repository.ts';

interface Refs {
  items: {
    name: string;
    kind: string;
    ref: string;
    commit: string;
    at: string;
    builds: { number: number; status: string }[];
  }[];
  stale: string | null;
}

interface Commits {
  items: {
    sha: string;
    subject: string;
    author: string;
    at: string;
    builds: { number: number; status: string }[];
  }[];
  next: string | null;
  stale: string | null;
}

/** shop: two commits on main, the first of them tagged, a branch beside. */
async function shop() {
  const rig = await ProjectServer.start();
  const repository = makeRepository(rig.dir.join('shop'));
  const first = repository.commit('First', { a: 'a' });
  repository.git('tag', 'v1.0.0');
  repository.git('branch', 'feature/login');
  const second = repository.commit('Second', { a: 'b' });
  await rig.api('POST', '/api/projects', { name: 'shop', cloneUrl: repository.path });
  const row = await rig.services.db.selectFrom('projects').selectAll().executeTakeFirstOrThrow();
  return { rig, repository, first, second, row, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

test('branches and tags are listed as the upstream has them now', async () => {
  await using made = await shop();
  const { rig, first, second, row } = made;
  await rig.build(row.id, second, 'failed');
  await rig.build(row.id, second, 'passed');
  const { body } = await rig.api<Refs>('GET', '/api/projects/shop/refs');
  expect(body.items[0]).toEqual({
    name: 'main',
    kind: 'branch',
    ref: 'refs/heads/main',
    commit: second,
    at: '2026-01-01T00:01:00.000Z',
    builds: [
      { number: 2, status: 'passed' },
      { number: 1, status: 'failed' },
    ],
  });
  expect(body.items.find(({ name }) => name === 'v1.0.0')).toMatchObject({
    kind: 'tag',
    commit: first,
    builds: [],
  });
  expect(body.stale).toBeNull();
  const found = await rig.api<Refs>('GET', '/api/projects/shop/refs?query=LOGIN');
  expect(found.body.items.map(({ name }) => name)).toEqual(['feature/login']);
});

test('commits are listed with the builds they have', async () => {
  await using made = await shop();
  const { rig, first, second, row } = made;
  await rig.build(row.id, first, 'failed');
  await rig.build(row.id, first, 'passed');
  await rig.build(row.id, first, 'skipped');
  const { body } = await rig.api<Commits>('GET', '/api/projects/shop/commits');
  expect(body.items).toEqual([
    { sha: second, subject: 'Second', author: 'Ada Example', at: '2026-01-01T00:01:00.000Z', builds: [] },
    {
      sha: first,
      subject: 'First',
      author: 'Ada Example',
      at: '2026-01-01T00:00:00.000Z',
      builds: [
        { number: 2, status: 'passed' },
        { number: 1, status: 'failed' },
      ],
    },
  ]);
});

test('commits are listed from a ref, searched, and paged', async () => {
  await using made = await shop();
  const { rig, first, second } = made;
  const subjects = async (query: string) => {
    const { body } = await rig.api<Commits>('GET', `/api/projects/shop/commits?${query}`);
    return [body.items.map(({ sha }) => sha), body.next] as const;
  };
  expect(await subjects('ref=feature/login')).toEqual([[first], null]);
  expect(await subjects(`ref=${second.slice(0, 8)}`)).toEqual([[second, first], null]);
  expect(await subjects('query=sec')).toEqual([[second], null]);
  expect(await subjects(`query=${first.slice(0, 10)}`)).toEqual([[first], null]);
  const [page, next] = await subjects('limit=1');
  expect(page).toEqual([second]);
  expect(await subjects(`limit=1&before=${next}`)).toEqual([[first], null]);
});

test('a query without a ref searches every branch and tag, and new commits shift none of its pages', async () => {
  await using made = await shop();
  const { rig, repository, first, second } = made;
  repository.git('checkout', '--quiet', 'feature/login');
  const aside = repository.commit('Ask for the password', { login: '1' });
  repository.git('checkout', '--quiet', '--detach', second);
  const tagged = repository.commit('Password of the release', { release: '1' });
  repository.git('tag', 'v2.0.0');
  repository.git('checkout', '--quiet', 'main');
  const search = async (query: string) => {
    const { body } = await rig.api<Commits>('GET', `/api/projects/shop/commits?${query}`);
    return { shas: body.items.map(({ sha }) => sha), next: body.next };
  };
  await made.rig.services.mirrors.fetch(made.row);
  expect((await search('query=password')).shas).toEqual([tagged, aside]);
  expect((await search('query=ADA%20EXAMPLE')).shas).toEqual([tagged, aside, second, first]);
  expect((await search(`query=${aside.slice(0, 9)}`)).shas).toEqual([aside]);
  expect((await search('query=password&ref=main')).shas).toEqual([]);
  expect((await search('')).shas).toEqual([second, first]);

  const page = await search('query=password&limit=1');
  expect(page.shas).toEqual([tagged]);
  repository.commit('Another password', { b: 'c' });
  await made.rig.services.mirrors.fetch(made.row);
  expect(await search(`query=password&limit=1&before=${page.next}`)).toMatchObject({ shas: [aside] });
  for (const before of ['all-.1', 'all-1;x.0', '--output=x.0', 'HEAD.0'])
    expect((await search(`query=password&before=${encodeURIComponent(before)}`)).shas[1]).toBe(tagged);
});

test('a ref that does not exist is 422 with the nearest', async () => {
  await using made = await shop();
  const { rig } = made;
  for (const ref of ['mian', '--output=x', 'main~1']) {
    const answer = await rig.api<{ code: string; nearest: string[] }>(
      'GET',
      `/api/projects/shop/commits?ref=${encodeURIComponent(ref)}`,
    );
    expect(answer, ref).toMatchObject({ status: 422, body: { code: 'unknown-ref' } });
    if (ref === 'mian') expect(answer.body.nearest).toEqual(['main']);
  }
  expect((await rig.api('GET', '/api/projects/nowhere/refs')).status).toBe(404);
  expect((await rig.api('GET', '/api/projects/shop/refs?limit=1000')).status).toBe(400);
});

test('an upstream that is away is said to be, and what was last fetched is shown', async () => {
  await using made = await shop();
  const { rig, second, row } = made;
  await rig.services.mirrors.fetch(row);
  await rig.api('PATCH', '/api/projects/shop', { cloneUrl: rig.dir.join('moved') });
  const { status, body } = await rig.api<Commits>('GET', '/api/projects/shop/commits');
  expect(status).toBe(200);
  expect(body.items[0]?.sha).toBe(second);
  expect(body.stale).toMatch(
    /^Git could not fetch .*moved: fatal: .* does not appear to be a git repository/,
  );
  await rig.api('PATCH', '/api/projects/shop', { cloneUrl: row.clone_url });
  expect((await rig.api<Commits>('GET', '/api/projects/shop/commits')).body.stale).toBeNull();
});

test('a repository that was never reached is 502, with what git said', async () => {
  await using rig = await ProjectServer.start();
  await rig.api('POST', '/api/projects', { name: 'lost', cloneUrl: rig.dir.join('nowhere') });
  const answer = await rig.api<{ code: string; detail: string }>('GET', '/api/projects/lost/refs');
  expect(answer).toMatchObject({ status: 502, body: { code: 'fetch-failed' } });
  expect(answer.body.detail).toMatch(/does not appear to be a git repository/);
});

test('a repository that does not answer holds nobody else up, and the server stops all the same', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => {})));
  await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening));
  const { port } = silent.address() as { port: number };
  {
    await using made = await shop();
    const { rig } = made;
    await rig.api('POST', '/api/projects', { name: 'mute', cloneUrl: `http://127.0.0.1:${port}/x.git` });
    const waiting = rig.api('GET', '/api/projects/mute/refs').catch(() => null);
    expect((await rig.api<Refs>('GET', '/api/projects/shop/refs')).body.items).toHaveLength(3);
    await rig.services.mirrors.close();
    expect(await waiting).toMatchObject({ status: 503 });
  }
  for (const socket of sockets) socket.destroy();
  await new Promise((closed) => silent.close(closed));
});

test('a repository without a commit has neither refs nor commits', async () => {
  await using rig = await ProjectServer.start();
  makeRepository(rig.dir.join('empty'));
  await rig.api('POST', '/api/projects', { name: 'empty', cloneUrl: rig.dir.join('empty') });
  expect((await rig.api<Refs>('GET', '/api/projects/empty/refs')).body).toEqual({
    items: [],
    next: null,
    stale: null,
  });
  expect((await rig.api<Refs>('GET', '/api/projects/empty/commits')).body).toEqual({
    items: [],
    next: null,
    stale: null,
  });
});
