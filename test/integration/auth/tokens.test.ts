import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { addUser, keyOf, makeToken, PASSWORD, post, signIn, withToken } from '../../rig/accounts.ts';
import { filesWith } from '../../rig/canary.ts';
import { allRecords } from '../../rig/records.ts';
import { type Body, ServerHere } from '../../rig/server-here.ts';
import { Watcher } from '../../rig/watcher.ts';

const PIPELINE = { '.reprise.yml': 'version: 1\njobs: { test: { steps: [{ run: "true" }] } }\n' };
const DAY_MS = 24 * 3_600_000;

test('a token is shown once, and may what its role says wherever its owner may', async () => {
  await using here = await ServerHere.start();
  await here.project('shop', PIPELINE);
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const made = await makeToken(ada, { name: 'laptop', role: 'developer' });
  expect(made).toMatchObject({
    name: 'laptop',
    owner: 'ada',
    role: 'developer',
    project: null,
    expiresAt: null,
  });
  expect(made.token).toMatch(/^rpu_[\w-]{43}$/);
  const listed = await ada.call('GET', '/api/tokens');
  expect(listed.body.items).toHaveLength(1);
  expect(JSON.stringify(listed.body)).not.toContain(made.token);
  const build = await withToken(here, made.token, {
    method: 'POST',
    path: '/api/projects/shop/builds',
    body: { ref: 'main' },
  });
  expect(build).toMatchObject({ status: 201, body: { trigger: { by: 'ada' } } });
  expect((await withToken(here, made.token, { path: '/api/users' })).status).toBe(403);
  const { items } = (await here.admin('GET', '/api/audit?action=build.create')).body;
  expect(items[0]).toMatchObject({ actor: 'ada', via: 'laptop' });
});

test('a token for one project sees no other, and never has more than its owner has now', async () => {
  await using here = await ServerHere.start();
  await here.project('shop', PIPELINE);
  await here.project('blog', PIPELINE);
  const grace = await signIn(here, { login: 'grace', projects: { shop: 'developer', blog: 'viewer' } });
  const { token } = await makeToken(grace, { name: 'ci', role: 'developer', project: 'shop' });
  const statusOf = async (path: string, o: { method?: string; body?: object } = {}) =>
    (await withToken(here, token, { path, ...o })).status;
  const build = { method: 'POST', body: { ref: 'main' } };
  expect(await statusOf('/api/projects/shop')).toBe(200);
  expect(await statusOf('/api/projects/blog')).toBe(404);
  expect(await statusOf('/api/projects/shop/builds', build)).toBe(201);
  await here.admin('PUT', '/api/projects/shop/members/grace', { role: 'viewer' });
  expect(await statusOf('/api/projects/shop/builds', build)).toBe(403);
  await here.admin('DELETE', '/api/projects/shop/members/grace');
  expect(await statusOf('/api/projects/shop')).toBe(404);
});

test.each([
  [{ name: 'x', role: 'admin' }, 403],
  [{ name: 'x', role: 'deployer', project: 'shop' }, 403],
  [{ name: 'x', role: 'viewer', project: 'secret' }, 404],
  [{ name: 'x', role: 'viewer', project: 'absent' }, 404],
  [{ name: ' ', role: 'viewer' }, 400],
  [{ name: 'x', role: 'root' }, 400],
  [{ name: 'x', role: 'viewer', expiresInDays: 0 }, 400],
  [{ name: 'taken', role: 'viewer' }, 409],
])('a developer of shop cannot make the token %j', async (given, status) => {
  await using here = await ServerHere.start();
  await here.project('shop', PIPELINE);
  await here.project('secret', PIPELINE);
  const grace = await signIn(here, { login: 'grace', projects: { shop: 'developer' } });
  await makeToken(grace, { name: 'taken', role: 'viewer' });
  expect((await grace.call('POST', '/api/tokens', given)).status).toBe(status);
});

test('an expired token is refused', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const { token } = await makeToken(ada, { name: 'week', role: 'viewer', expiresInDays: 7 });
  const begin = Date.now();
  here.services.now = () => begin + 7 * DAY_MS - 60_000;
  expect((await withToken(here, token, { path: '/api/projects' })).status).toBe(200);
  here.services.now = () => begin + 7 * DAY_MS + 60_000;
  expect((await withToken(here, token, { path: '/api/projects' })).status).toBe(401);
});

test('a revoked token is refused, and its socket hears nothing more (A3)', async () => {
  await using here = await ServerHere.start();
  await here.project('shop', PIPELINE);
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const made = await makeToken(ada, { name: 'page', role: 'viewer' });
  using page = new Watcher(here.address, made.token);
  await page.connected();
  expect(await page.watch('projects')).toMatchObject({ ok: true });
  const heard = page.changes('projects');
  const closed = new Promise((resolve) => page.socket.once('disconnect', resolve));
  const begin = performance.now();
  expect((await ada.call('DELETE', `/api/tokens/${made.id}`)).status).toBe(204);
  await closed;
  expect(performance.now() - begin).toBeLessThan(1000);
  const before = heard.length;
  here.services.live.changed('projects');
  expect((await withToken(here, made.token, { path: '/api/projects' })).status).toBe(401);
  expect(heard).toHaveLength(before);
});

test('one revokes one’s own tokens; administrators see and revoke everybody’s; a token only itself', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const grace = await signIn(here, { login: 'grace', role: 'viewer' });
  const adas = await makeToken(ada, { name: 'a', role: 'viewer' });
  const [one, two, three] = await Promise.all(
    ['one', 'two', 'three'].map((name) => makeToken(grace, { name, role: 'viewer' })),
  );
  if (!one || !two || !three) throw new Error('Three tokens were asked for.');
  expect((await grace.call('DELETE', `/api/tokens/${adas.id}`)).status).toBe(404);
  expect((await grace.call('GET', '/api/tokens?all=true')).status).toBe(403);
  const all = await ada.call('GET', '/api/tokens?all=true');
  expect(all.body.items.map((item: Body) => `${item.owner} ${item.name}`).sort()).toEqual([
    'ada a',
    'grace one',
    'grace three',
    'grace two',
  ]);
  const end = (id: string) => withToken(here, one.token, { method: 'DELETE', path: `/api/tokens/${id}` });
  expect((await end(two.id)).status).toBe(404);
  expect((await end(one.id)).status).toBe(204);
  expect((await ada.call('DELETE', `/api/tokens/${two.id}`)).status).toBe(204);
  expect((await grace.call('DELETE', `/api/tokens/${three.id}`)).status).toBe(204);
});

test.each([
  ['POST', '/api/tokens', { name: 'successor', role: 'viewer' }],
  ['GET', '/api/sessions', undefined],
  ['PUT', '/api/session/password', { current: PASSWORD, password: 'another long one' }],
])('a token cannot do what only a person may: %s %s', async (method, path, body) => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const { token } = await makeToken(ada, { name: 'stolen', role: 'admin' });
  expect((await withToken(here, token, { method, path, ...(body && { body }) })).status).toBe(403);
});

test('no kind of secret is good in the place of another (A5)', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const { token } = await makeToken(ada, { name: 'api', role: 'admin' });
  const runner = (await here.admin('POST', '/api/runners', { name: 'box', labels: [] })).body.token as string;
  const link = keyOf(await addUser(here, { login: 'grace', role: 'admin' }));
  const session = ada.cookie.replace('reprise=', '');
  const kinds = { token, runner, link, session, csrf: ada.csrf };

  const asBearer = async (key: string) => (await withToken(here, key, { path: '/api/users' })).status;
  const asCookie = async (key: string) => {
    const headers = { cookie: `reprise=${key}` };
    return (await fetch(`${here.address}/api/users`, { headers })).status;
  };
  const asLink = async (key: string) => (await post(here, { link: key, password: PASSWORD })).status;
  const asPassword = async (key: string) => (await post(here, { login: 'ada', password: key })).status;
  const asRunner = async (key: string) =>
    (await withToken(here, key, { method: 'POST', path: '/api/runner/claim', body: {} })).status;
  const asCsrf = async (key: string) => {
    const headers = { ...ada.headers, 'x-csrf-token': key };
    return (await fetch(`${here.address}/api/tokens/none`, { method: 'DELETE', headers })).status;
  };
  const good = { asBearer: 'token', asCookie: 'session', asRunner: 'runner', asCsrf: 'csrf' };
  const uses = { asBearer, asCookie, asRunner, asCsrf, asPassword };
  for (const [use, ask] of Object.entries(uses)) {
    for (const [kind, key] of Object.entries(kinds)) {
      const isRight = good[use as keyof typeof good] === kind;
      const status = await ask(key);
      expect([use, kind, status === 401 || status === 403]).toEqual([use, kind, !isRight]);
    }
  }
  for (const [kind, key] of Object.entries(kinds))
    expect([kind, await asLink(key)]).toEqual([kind, kind === 'link' ? 200 : 410]);
});

test('of every secret only a digest is kept, in the database, its log and the operator’s log (A5)', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const { token } = await makeToken(ada, { name: 'api', role: 'admin' });
  const link = keyOf(await addUser(here, { login: 'grace' }));
  await post(here, { login: 'ada', password: 'a wrong password indeed' });
  const secrets = [
    token,
    link,
    PASSWORD,
    ada.cookie.replace('reprise=', ''),
    ada.csrf,
    'a wrong password indeed',
  ];
  expect(filesWith(here.path('data'), secrets)).toEqual([]);
  const logged = JSON.stringify(here.logLines);
  expect(secrets.filter((secret) => logged.includes(secret))).toEqual([]);
  const digest = createHash('sha256').update(token).digest('hex');
  const records = await allRecords(here.services.db);
  expect(secrets.filter((secret) => records.includes(secret))).toEqual([]);
  expect(records).toContain(digest);
});
