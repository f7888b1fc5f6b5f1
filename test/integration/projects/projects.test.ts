import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { purposes } from '@reprise/server/vault.ts';
import { expect, test } from 'vitest';
import { filesWith } from '../../rig/canary.ts';
import { startGitServer } from '../../rig/git-server.ts';
import { ProjectServer } from '../../rig/project-server.ts';
import { makeRepository } from '../../rig/repository.ts';

interface Project {
  name: string;
  cloneUrl: string;
  github: string | null;
  defaultBranch: string | null;
  credential: string;
  webhook: { url: string; secret?: string };
  deployKey?: { publicKey: string };
  latestBuild: { number: number; status: string; commit: string } | null;
}

const TOKEN = 'ghp_aTokenThatNobodyMaySee0123456789';

/** A server with one project `shop` on a real repository of one commit. */
async function shop() {
  const rig = await ProjectServer.start();
  const repository = makeRepository(rig.dir.join('shop'));
  const head = repository.commit('First', { a: 'a' });
  const { status, body: project } = await rig.api<Project>('POST', '/api/projects', {
    name: 'shop',
    cloneUrl: repository.path,
  });
  expect(status).toBe(201);
  const row = await rig.services.db.selectFrom('projects').selectAll().executeTakeFirstOrThrow();
  return { rig, repository, head, project, row, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

test('a project is registered, and its webhook secret is shown this once', async () => {
  await using made = await shop();
  const { rig, project, row } = made;
  expect(project).toMatchObject({
    name: 'shop',
    github: null,
    credential: 'none',
    latestBuild: null,
    webhook: { url: `${rig.address}/webhooks/github/shop` },
  });
  const { secret } = project.webhook;
  expect(secret).toMatch(/^[\w-]{43}$/);
  expect(rig.services.vault.open(row.webhook_secret, purposes.webhookSecret(row.id))).toBe(secret);
  for (const path of ['/api/projects', '/api/projects/shop'])
    expect(JSON.stringify((await rig.api('GET', path)).body)).not.toContain(secret);
  expect(filesWith(rig.dir.join('data'), [secret ?? ''])).toEqual([]);
});

test('the default branch is learnt from the first fetch, unless it was given', async () => {
  await using made = await shop();
  const { rig, row } = made;
  await rig.services.mirrors.fetch(row);
  expect((await rig.api<Project>('GET', '/api/projects/shop')).body.defaultBranch).toBe('main');
  await rig.api('PATCH', '/api/projects/shop', { defaultBranch: 'release/1' });
  expect((await rig.api<Project>('GET', '/api/projects/shop')).body.defaultBranch).toBe('release/1');
});

test('the name at GitHub is read from the clone address, or given', async () => {
  await using rig = await ProjectServer.start();
  const create = async (name: string, more: object) =>
    (await rig.api<Project>('POST', '/api/projects', { name, ...more })).body.github;
  expect(await create('a', { cloneUrl: 'git@github.com:Acme/Shop.git' })).toBe('Acme/Shop');
  expect(await create('b', { cloneUrl: 'https://127.0.0.1:1/x.git', github: 'acme/web' })).toBe('acme/web');
  expect(await create('c', { cloneUrl: 'https://127.0.0.1:1/x.git' })).toBeNull();
});

test.each([
  [{ name: 'Shop' }, 'name', /a-z/],
  [{ name: '' }, 'name', /a-z/],
  [{ name: '-x' }, 'name', /a-z/],
  [{ name: 'x'.repeat(64) }, 'name', /a-z/],
  [{ name: '../x' }, 'name', /a-z/],
  [{ cloneUrl: 'https://bob:s3cr3t@host/x' }, 'cloneUrl', /carries credentials/],
  [{ cloneUrl: '--upload-pack=id' }, 'cloneUrl', /dash/],
  [{ cloneUrl: 'ext::id' }, 'cloneUrl', /helper/],
  [{ cloneUrl: 'https://host/x\nfoo' }, 'cloneUrl', /line break/],
  [{ cloneUrl: 42 }, 'cloneUrl', /^must be text$/],
  [{ github: 'acme' }, 'github', /owner\/name/],
  [{ github: '../x' }, 'github', /owner\/name/],
  [{ defaultBranch: '--x' }, 'defaultBranch', /name of a branch/],
  [{ credential: { kind: 'password' } }, 'credential.kind', /./],
  [{ credential: { kind: 'token' } }, 'credential.token', /./],
  [{ credential: { kind: 'token', token: 'a b' } }, 'credential.token', /token/],
  [{ credential: { kind: 'deploy-key' } }, 'credential', /SSH clone addresses/],
  [{ cloneUrl: 'git@host:x', credential: { kind: 'token', token: 'x' } }, 'credential', /https/],
  [{ colour: 'red' }, 'body', /colour/],
])('a registration with %j is refused, naming the field', async (wrong, field, message) => {
  await using rig = await ProjectServer.start();
  const given = { name: 'shop', cloneUrl: 'https://127.0.0.1:1/x.git', ...wrong };
  const { status, body } = await rig.api<{
    code: string;
    detail: string;
    errors: { field: string; message: string }[];
  }>('POST', '/api/projects', given);
  expect([status, body.code]).toEqual([400, 'bad-request']);
  expect(body.errors[0]).toMatchObject({ field, message: expect.stringMatching(message) });
  expect(JSON.stringify(body)).not.toContain('s3cr3t');
  expect((await rig.api<{ items: unknown[] }>('GET', '/api/projects')).body.items).toEqual([]);
});

test('a name is given once, also when two ask at the same moment', async () => {
  await using rig = await ProjectServer.start();
  const create = () =>
    rig.api('POST', '/api/projects', { name: 'shop', cloneUrl: 'https://127.0.0.1:1/x.git' });
  const answers = await Promise.all(Array.from({ length: 5 }, create));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({ code: 'name-taken' });
});

test('a transport that the operator does not list is refused', async () => {
  await using rig = await ProjectServer.start({ REPRISE_GIT_PROTOCOLS: 'https' });
  for (const cloneUrl of ['/srv/x', 'file:///srv/x', 'git@host:x', 'http://host/x'])
    expect(await rig.api('POST', '/api/projects', { name: 'x', cloneUrl })).toMatchObject({ status: 400 });
});

test('strangers and runners see and change nothing', async () => {
  await using made = await shop();
  const { rig } = made;
  const { body } = await rig.api<{ token: string }>('POST', '/api/runners', { name: 'r', labels: ['linux'] });
  const requests: [string, string, object?][] = [
    ['GET', '/api/projects'],
    ['GET', '/api/projects/shop'],
    ['GET', '/api/projects/shop/refs'],
    ['GET', '/api/projects/shop/commits'],
    ['POST', '/api/projects', { name: 'x', cloneUrl: '/x' }],
    ['PATCH', '/api/projects/shop', { github: null }],
    ['POST', '/api/projects/shop/webhook/rotate'],
    ['DELETE', '/api/projects/shop'],
  ];
  for (const [method, path, given] of requests) {
    expect((await rig.api(method, path, given, `Bearer ${body.token}`)).status, path).toBe(403);
    expect((await rig.api(method, path, given, 'Bearer nonsense')).status, path).toBe(401);
    expect((await rig.api(method, path, given, '')).status, path).toBe(401);
  }
  expect((await rig.api('GET', '/api/projects/shop')).status).toBe(200);
});

test('a token is sealed, used, and shown nowhere: not in the API, the database, any file or the log', async () => {
  await using rig = await ProjectServer.start();
  const repository = makeRepository(rig.dir.join('private'));
  repository.commit('First', { a: 'a' });
  await using forge = await startGitServer(rig.dir.path, { user: 'x-access-token', token: TOKEN });
  const { status, body } = await rig.api<Project>('POST', '/api/projects', {
    name: 'private',
    cloneUrl: `${forge.address}/private/.git`,
    credential: { kind: 'token', token: TOKEN },
  });
  expect([status, body.credential]).toEqual([201, 'token']);
  const refs = await rig.api<{ items: { name: string }[] }>('GET', '/api/projects/private/refs');
  expect(refs.body.items.map(({ name }) => name)).toEqual(['main']);
  const basic = Buffer.from(`x-access-token:${TOKEN}`).toString('base64');
  expect(filesWith(rig.dir.join('data'), [TOKEN, basic])).toEqual([]);
  for (const text of [rig.logged(), JSON.stringify((await rig.api('GET', '/api/projects/private')).body)])
    expect(text).not.toContain(TOKEN);
});

test('a deploy key is made here; only its public half is ever seen', async () => {
  await using rig = await ProjectServer.start();
  const { body } = await rig.api<Project>('POST', '/api/projects', {
    name: 'private',
    cloneUrl: 'ssh://git@127.0.0.1:1/srv/x.git',
    credential: { kind: 'deploy-key' },
  });
  expect(body.deployKey?.publicKey).toMatch(/^ssh-ed25519 AAAA\S+ reprise-private$/);
  execFileSync('ssh-keygen', ['-l', '-f', '-'], { input: body.deployKey?.publicKey });
  const { body: again } = await rig.api<Project>('PATCH', '/api/projects/private', {
    credential: { kind: 'deploy-key' },
  });
  expect(again.deployKey?.publicKey).toMatch(/^ssh-ed25519 /);
  expect(again.deployKey?.publicKey).not.toBe(body.deployKey?.publicKey);
  const row = await rig.services.db.selectFrom('projects').selectAll().executeTakeFirstOrThrow();
  const secret = rig.services.vault
    .open(row.credential ?? '', purposes.credential(row.id))
    .split('\n')
    .slice(2, 4);
  expect(secret[0]).toHaveLength(70);
  // A fetch that is tried has it in a file until it fails.
  await expect.poll(() => filesWith(rig.dir.join('data'), secret)).toEqual([]);
  expect(rig.logged()).not.toContain('PRIVATE KEY');
});

test('a change changes what is given and leaves the rest', async () => {
  await using made = await shop();
  const { rig, repository, project } = made;
  const patch = (body: object) => rig.api<Project>('PATCH', '/api/projects/shop', body);
  expect((await patch({ github: 'acme/shop' })).body).toMatchObject({
    github: 'acme/shop',
    cloneUrl: repository.path,
  });
  expect((await patch({ github: null })).body.github).toBeNull();
  expect((await patch({ cloneUrl: 'git@github.com:acme/web.git' })).body).toMatchObject({
    github: 'acme/web',
    cloneUrl: 'git@github.com:acme/web.git',
  });
  expect((await patch({ cloneUrl: 'https://u:p@host/x' })).status).toBe(400);
  expect((await patch({ name: 'other' })).status).toBe(400);
  expect((await patch({ credential: { kind: 'token', token: 'x' } })).status).toBe(400);
  expect((await rig.api('PATCH', '/api/projects/nowhere', {})).status).toBe(404);
  expect((await rig.api<Project>('GET', '/api/projects/shop')).body).toMatchObject({
    cloneUrl: 'git@github.com:acme/web.git',
    webhook: { url: project.webhook.url },
  });
});

test('a rotated webhook secret is another one', async () => {
  await using made = await shop();
  const { rig, project, row } = made;
  const { body } = await rig.api<Project>('POST', '/api/projects/shop/webhook/rotate');
  expect(body.webhook.secret).not.toBe(project.webhook.secret);
  const after = await rig.services.db.selectFrom('projects').selectAll().executeTakeFirstOrThrow();
  expect(rig.services.vault.open(after.webhook_secret, purposes.webhookSecret(row.id))).toBe(
    body.webhook.secret,
  );
});

test('projects are listed newest first, page by page, each with its newest build that was not skipped', async () => {
  await using made = await shop();
  const { rig, head, row } = made;
  for (let i = 0; i < 4; i++)
    await rig.api('POST', '/api/projects', { name: `p${i}`, cloneUrl: 'https://127.0.0.1:1/x' });
  await rig.build(row.id, head, 'passed');
  await rig.build(row.id, head, 'failed');
  await rig.build(row.id, head, 'skipped');
  const names: string[] = [];
  const latest: unknown[] = [];
  for (let next: string | null = ''; next !== null; ) {
    const path: string = `/api/projects?limit=2${next && `&before=${next}`}`;
    const { body } = await rig.api<{ items: Project[]; next: string | null }>('GET', path);
    names.push(...body.items.map(({ name }) => name));
    latest.push(
      ...body.items.map(({ latestBuild }) => latestBuild && [latestBuild.number, latestBuild.status]),
    );
    next = body.next;
  }
  expect([...names].sort()).toEqual(['p0', 'p1', 'p2', 'p3', 'shop']);
  expect(names).toHaveLength(5);
  expect(latest.filter(Boolean)).toEqual([[2, 'failed']]);
  expect((await rig.api<Project>('GET', '/api/projects/shop')).body.latestBuild).toMatchObject({
    number: 2,
    commit: head,
  });
});

test('a project is not removed while a build of it has not ended', async () => {
  await using made = await shop();
  const { rig, head, row } = made;
  await rig.services.mirrors.fetch(row);
  const build = await rig.build(row.id, head, 'running');
  const attempt = await rig.attempt(build.id, 'passed');
  await rig.services.logs.append(attempt.id, 0, Buffer.from('hello\n'), 0);
  const refused = await rig.api<{ code: string; detail: string }>('DELETE', '/api/projects/shop');
  expect(refused).toMatchObject({ status: 409, body: { code: 'conflict' } });
  expect(refused.body.detail).toMatch(/shop has a build that did not end yet/);

  await rig.services.db.updateTable('builds').set({ status: 'passed' }).execute();
  const mirror = rig.services.mirrors.directory(row);
  expect(existsSync(mirror)).toBe(true);
  expect((await rig.api('DELETE', '/api/projects/shop')).status).toBe(204);
  expect(existsSync(mirror)).toBe(false);
  expect(await rig.services.logs.size(attempt.id)).toBe(0);
  expect((await rig.api('GET', '/api/projects/shop')).status).toBe(404);
  expect(await rig.services.db.selectFrom('builds').selectAll().execute()).toEqual([]);
});
