import { expect, test } from 'vitest';
import { addUser, enter, keyOf, PASSWORD, post, signIn } from '../../rig/accounts.ts';
import { ServerHere } from '../../rig/server-here.ts';
import { Watcher } from '../../rig/watcher.ts';

const PIPELINE = { '.reprise.yml': 'version: 1\njobs: { test: { steps: [{ run: "true" }] } }\n' };

test('an added user is invited until they choose a password by their link', async () => {
  await using here = await ServerHere.start();
  const made = await here.admin('POST', '/api/users', {
    login: 'grace',
    name: 'Grace Hopper',
    role: 'developer',
    github: 'gracehopper',
  });
  expect(made).toMatchObject({
    status: 201,
    body: {
      user: {
        login: 'grace',
        name: 'Grace Hopper',
        role: 'developer',
        github: 'gracehopper',
        projects: [],
        state: 'invited',
        lastSeenAt: null,
      },
      link: { url: expect.stringMatching(/\/welcome#rpl_/), expiresAt: expect.any(String) },
    },
  });
  await enter(here, { link: keyOf(made.body.link), password: PASSWORD });
  const { body } = await here.admin('GET', '/api/users');
  expect(body.items).toMatchObject([{ login: 'grace', state: 'active', lastSeenAt: expect.any(String) }]);
  const { items } = (await here.admin('GET', '/api/audit')).body;
  expect(items.map(({ action, actor, subject }: Record<string, string>) => [action, actor, subject])).toEqual(
    [
      ['session.create', 'grace', 'grace'],
      ['password.change', 'grace', 'grace'],
      ['user.create', 'operator', 'grace'],
    ],
  );
});

test.each([
  [{ login: 'Grace' }, 400, 'bad-request'],
  [{ login: '' }, 400, 'bad-request'],
  [{ login: 'a'.repeat(40) }, 400, 'bad-request'],
  [{ login: 'grace', role: 'owner' }, 400, 'bad-request'],
  [{ login: 'grace', github: 'not a login' }, 400, 'bad-request'],
  [{ login: 'ada' }, 409, 'name-taken'],
  [{ login: 'grace', github: 'ADA-L' }, 409, 'name-taken'],
])('a user cannot be added as %j', async (given, status, code) => {
  await using here = await ServerHere.start();
  await here.admin('POST', '/api/users', { login: 'ada', github: 'ada-l' });
  expect(await here.admin('POST', '/api/users', given)).toMatchObject({ status, body: { code } });
});

test('the last active administrator can be neither removed, disabled nor demoted', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  await addUser(here, { login: 'invited', role: 'admin' });
  const attempts = () => [
    ada.call('DELETE', '/api/users/ada'),
    ada.call('PATCH', '/api/users/ada', { disabled: true }),
    ada.call('PATCH', '/api/users/ada', { role: 'deployer' }),
    ada.call('PATCH', '/api/users/ada', { role: null }),
  ];
  for (const answer of await Promise.all(attempts())) {
    expect(answer).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(answer.body.detail).toContain('last active administrator');
  }
  expect((await ada.call('PATCH', '/api/users/ada', { name: 'Ada L.' })).body.name).toBe('Ada L.');
  await signIn(here, { login: 'grace', role: 'admin' });
  const both = await Promise.all(
    ['ada', 'grace'].map((login) => here.admin('PATCH', `/api/users/${login}`, { role: 'viewer' })),
  );
  expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
});

test('a disabled user is out at once, sockets and tokens too, and comes back when enabled', async () => {
  await using here = await ServerHere.start();
  await signIn(here, { login: 'ada', role: 'admin' });
  const grace = await signIn(here, { login: 'grace', role: 'viewer' });
  const { token } = (await grace.call('POST', '/api/tokens', { name: 'ci', role: 'viewer' })).body;
  using page = new Watcher(here.address, token);
  await page.connected();
  const closed = new Promise((resolve) => page.socket.once('disconnect', resolve));
  await here.admin('PATCH', '/api/users/grace', { disabled: true });
  await closed;
  expect((await grace.call('GET', '/api/sessions')).status).toBe(401);
  const withToken = () =>
    fetch(`${here.address}/api/projects`, { headers: { authorization: `Bearer ${token}` } });
  expect((await withToken()).status).toBe(401);
  expect((await here.admin('POST', '/api/users/grace/link')).status).toBe(409);
  await here.admin('PATCH', '/api/users/grace', { disabled: false });
  expect((await grace.call('GET', '/api/sessions')).status).toBe(401);
  expect((await withToken()).status).toBe(200);
  expect((await post(here, { login: 'grace', password: PASSWORD })).status).toBe(200);
});

test('a removed user leaves nothing but the record of what they did', async () => {
  await using here = await ServerHere.start();
  await here.project('shop', PIPELINE);
  const grace = await signIn(here, { login: 'grace', projects: { shop: 'admin' } });
  await grace.call('POST', '/api/tokens', { name: 'ci', role: 'viewer' });
  expect((await here.admin('DELETE', '/api/users/grace')).status).toBe(204);
  for (const table of ['users', 'sessions', 'tokens', 'memberships', 'links'] as const)
    expect(await here.services.db.selectFrom(table).selectAll().execute()).toEqual([]);
  const { items } = (await here.admin('GET', '/api/audit?actor=grace')).body;
  expect(items.length).toBeGreaterThan(0);
  expect((await grace.call('GET', '/api/sessions')).status).toBe(401);
});

test('a member’s role holds in that project only; what they may not see is not there', async () => {
  await using here = await ServerHere.start();
  await here.project('shop', PIPELINE);
  await here.project('secret', PIPELINE);
  const grace = await signIn(here, { login: 'grace', projects: { shop: 'developer' } });
  const statusOf = async (method: string, path: string, body?: object) =>
    (await grace.call(method, path, body)).status;
  expect(await statusOf('GET', '/api/projects/shop')).toBe(200);
  expect(await statusOf('GET', '/api/projects/shop/members')).toBe(200);
  expect(await statusOf('POST', '/api/projects/shop/builds', { ref: 'main' })).toBe(201);
  expect(await statusOf('PATCH', '/api/projects/shop', { github: null })).toBe(403);
  expect(await statusOf('PUT', '/api/projects/shop/members/grace', { role: 'admin' })).toBe(403);
  for (const name of ['secret', 'absent']) {
    expect(await statusOf('GET', `/api/projects/${name}`)).toBe(404);
    expect(await statusOf('GET', `/api/projects/${name}/members`)).toBe(404);
    expect(await statusOf('PUT', `/api/projects/${name}/members/grace`, { role: 'viewer' })).toBe(404);
    expect(await statusOf('DELETE', `/api/projects/${name}/members/grace`)).toBe(404);
  }
  expect(await statusOf('GET', '/api/users')).toBe(403);
});

test('a project’s administrator gives and takes its roles, and sees nothing of other users', async () => {
  await using here = await ServerHere.start();
  await here.project('shop', PIPELINE);
  const lead = await signIn(here, { login: 'lead', projects: { shop: 'admin' } });
  const grace = await signIn(here, { login: 'grace' });
  expect((await grace.call('GET', '/api/projects/shop')).status).toBe(404);
  const set = (role: string) => lead.call('PUT', '/api/projects/shop/members/grace', { role });
  expect(await set('viewer')).toMatchObject({ status: 200, body: { login: 'grace', role: 'viewer' } });
  expect((await grace.call('GET', '/api/projects/shop')).status).toBe(200);
  expect(await set('developer')).toMatchObject({ status: 200 });
  const { body } = await lead.call('GET', '/api/projects/shop/members');
  expect(body.items).toEqual([
    { login: 'grace', name: 'grace', role: 'developer' },
    { login: 'lead', name: 'lead', role: 'admin' },
  ]);
  expect((await lead.call('DELETE', '/api/projects/shop/members/grace')).status).toBe(204);
  expect((await lead.call('DELETE', '/api/projects/shop/members/grace')).status).toBe(404);
  expect((await grace.call('GET', '/api/projects/shop')).status).toBe(404);
  expect((await lead.call('GET', '/api/users')).status).toBe(403);
  expect((await lead.call('POST', '/api/users', { login: 'friend', role: 'admin' })).status).toBe(403);
});

test('whoever’s role changes has their sockets closed, and comes back with the new role', async () => {
  await using here = await ServerHere.start();
  await here.project('shop', PIPELINE);
  const grace = await signIn(here, { login: 'grace', projects: { shop: 'viewer' } });
  const { token } = (await grace.call('POST', '/api/tokens', { name: 'ci', role: 'viewer' })).body;
  using page = new Watcher(here.address, token);
  await page.connected();
  expect(await page.watch('project:shop')).toMatchObject({ ok: true });
  const closed = new Promise((resolve) => page.socket.once('disconnect', resolve));
  await here.admin('DELETE', '/api/projects/shop/members/grace');
  await closed;
  await new Promise((resolve) => page.socket.once('connect', () => resolve(null)));
  expect(await page.watch('project:shop')).toMatchObject({ ok: false });
});
