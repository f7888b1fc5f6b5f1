import { ROLES, type Role } from '@reprise/server/auth/role.ts';
import type { Policy, Route } from '@reprise/server/http/route.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeToken, type SignedInBrowser, signIn, withToken } from '../../rig/accounts.ts';
import { filesWith } from '../../rig/canary.ts';
import { ADMIN_TOKEN } from '../../rig/reprise.ts';
import { ServerHere } from '../../rig/server-here.ts';

let here: ServerHere;
/** By global role; and members of `shop` only, by their role there. */
const globals = new Map<Role, SignedInBrowser>();
const members = new Map<Role, SignedInBrowser>();
let runnerToken = '';

beforeAll(async () => {
  here = await ServerHere.start({ REPRISE_ADMIN_TOKEN: ADMIN_TOKEN });
  await here.project('shop', { 'a.txt': 'a' });
  await here.project('other', { 'a.txt': 'a' });
  for (const role of ROLES) {
    globals.set(role, await signIn(here, { login: `all-${role}`, role }));
    members.set(role, await signIn(here, { login: `shop-${role}`, projects: { shop: role } }));
  }
  const { body } = await here.admin('POST', '/api/runners', { name: 'box', labels: ['linux'] });
  runnerToken = body.token;
});
afterAll(() => here[Symbol.asyncDispose]());

/** Left out of the walk, because they take away what it walks with: looked at last, or where people sign in and out. */
const ENDING = ['delete /api/projects/:project', 'delete /api/session'];

interface Step {
  route: Route;
  method: string;
  path: string;
  isOfProject: boolean;
}

/** Every declared route with its path filled in: `project` where it has one, else what does not exist. */
function routesWith(project: string): Step[] {
  const routes = here.routes.filter(({ method, path }) => !ENDING.includes(`${method} ${path}`));
  return routes.map((route) => ({
    route,
    method: route.method.toUpperCase(),
    path: route.path
      .replace(':project', project)
      .replace(':number', '999')
      .replace(/:[A-Za-z0-9]+/g, 'none'),
    isOfProject: route.path.includes(':project'),
  }));
}

/** What somebody with that role may do; the rest is refused before anything is looked at. */
function mayCall(policy: Policy, role: Role | null): boolean {
  if (policy === 'public' || policy === 'signed-in') return true;
  if (policy === 'runner') return false;
  return role !== null && ROLES.indexOf(role) >= ROLES.indexOf(policy);
}

/** Whether the gate let a call through: what comes after it answers anything but these two. */
async function letIn(who: SignedInBrowser, { method, path }: Step): Promise<number | 'in'> {
  const { status, body } = await call(who, { method, path });
  // An answer to HEAD has no words.
  const isGate =
    body === null || (body.code === 'forbidden' && /needs (the role|a runner)/.test(body.detail));
  return status === 401 || (status === 403 && isGate) ? status : 'in';
}

/** A request without what it would need to change anything. */
async function call(who: SignedInBrowser, { method, path }: Pick<Step, 'method' | 'path'>) {
  const answer = await who.call(method, path, ['GET', 'HEAD'].includes(method) ? undefined : {});
  expect.soft(answer.status, `${method} ${path}`).toBeLessThan(500);
  return answer;
}

describe.each(ROLES)('who is %s', (role) => {
  test('everywhere is let in by every route that asks no more, and by no other', async () => {
    const who = globals.get(role) as SignedInBrowser;
    const wrong: string[] = [];
    for (const step of routesWith('shop')) {
      const outcome = await letIn(who, step);
      if ((outcome === 'in') !== mayCall(step.route.policy, role))
        wrong.push(`${step.method} ${step.path}: ${outcome}`);
    }
    expect(wrong).toEqual([]);
  });

  test('in one project is let in there, and nothing else exists for them', async () => {
    const who = members.get(role) as SignedInBrowser;
    const wrong: string[] = [];
    for (const step of routesWith('shop')) {
      const outcome = await letIn(who, step);
      if ((outcome === 'in') !== mayCall(step.route.policy, step.isOfProject ? role : null))
        wrong.push(`${step.method} ${step.path}: ${outcome}`);
    }
    for (const project of ['other', 'absent']) {
      for (const { route, method, path, isOfProject } of routesWith(project)) {
        if (!isOfProject || route.policy === 'public' || route.policy === 'runner') continue;
        const { status, body } = await call(who, { method, path });
        // The same words for what is not theirs and for what is not there.
        if (status !== 404 || body.detail !== `The project "${project}" does not exist.`)
          wrong.push(`${method} ${path}: ${status} ${body?.detail}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

test('nobody in particular is let in by public routes only', async () => {
  const wrong: string[] = [];
  for (const { route, method, path } of routesWith('shop')) {
    const response = await fetch(here.address + path, { method, redirect: 'manual' });
    await response.arrayBuffer();
    if ((response.status === 401) === (route.policy === 'public'))
      wrong.push(`${method} ${path}: ${response.status}`);
  }
  expect(wrong).toEqual([]);
});

test.each([
  ['%00', 'none'],
  ['..%2f..%2fother', 'none'],
  ['%ff%fe', 'none'],
  ["shop'--", "' or 1=1 --"],
  ['a'.repeat(4000), 'a'.repeat(4000)],
  ['__proto__', '__proto__'],
  ['shop', '%00'],
  ['shop', '-1'],
  ['shop', '1e400'],
  ['shop', '..%2f..%2fsecret.key'],
])('the project %j with the id %j breaks nothing, and opens no other project', async (project, id) => {
  const who = members.get('admin') as SignedInBrowser;
  const wrong: string[] = [];
  for (const { route, method, isOfProject } of routesWith('shop')) {
    const path = route.path.replace(':project', () => project).replace(/:[A-Za-z0-9]+/g, () => id);
    const { status } = await call(who, { method, path });
    if (status < 400 && isOfProject && project !== 'shop') wrong.push(`${method} ${path}: ${status}`);
  }
  expect(wrong).toEqual([]);
});

test('every kind of credential opens its own doors only', async () => {
  const admin = globals.get('admin') as SignedInBrowser;
  const { token } = await makeToken(admin, { name: 'ci', role: 'viewer' });
  const sessionKey = admin.cookie.split('=')[1] ?? '';
  const ask = async (bearer: string, path: string) => (await withToken(here, bearer, { path })).status;
  const protocolPath = here.routes.find(({ policy }) => policy === 'runner')?.path ?? '';
  expect(protocolPath).not.toBe('');
  expect(await ask(token, '/api/projects')).toBe(200);
  expect(await ask(runnerToken, '/api/projects')).toBe(403);
  expect(await ask(sessionKey, '/api/projects')).toBe(401);
  expect(await ask(`${token}x`, '/api/projects')).toBe(401);
  const asRunner = async (bearer: string) =>
    (await withToken(here, bearer, { method: 'POST', path: protocolPath, body: {} })).status;
  expect(await asRunner(token)).toBe(403);
  expect(await asRunner(ADMIN_TOKEN)).toBe(403);
  expect(await asRunner(runnerToken)).not.toBe(403);
  const cookies = [`reprise=${token}`, `reprise=${runnerToken}`, `reprise=${ADMIN_TOKEN}`];
  for (const cookie of cookies) {
    const response = await fetch(`${here.address}/api/projects`, { headers: { cookie } });
    expect(response.status).toBe(401);
  }
});

test('a token has never more than its role, its project and its owner', async () => {
  const admin = globals.get('admin') as SignedInBrowser;
  const { token } = await makeToken(admin, { name: 'shop-developer', role: 'developer', project: 'shop' });
  const status = async (method: string, path: string) =>
    (await withToken(here, token, { method, path, ...(method !== 'GET' && { body: {} }) })).status;
  expect(await status('GET', '/api/projects/shop')).toBe(200);
  expect(await status('GET', '/api/projects/other')).toBe(404);
  expect(await status('DELETE', '/api/projects/shop')).toBe(403);
  expect(await status('POST', '/api/runners')).toBe(403);
  const list = await withToken(here, token, { path: '/api/projects' });
  expect(list.body.items.map(({ name }: { name: string }) => name)).toEqual(['shop']);
});

test('no credential is in the data in clear', async () => {
  const admin = globals.get('admin') as SignedInBrowser;
  const { token } = await makeToken(admin, { name: 'hidden', role: 'viewer' });
  expect(filesWith(here.path('data'), [token, runnerToken, admin.cookie.split('=')[1] ?? ''])).toEqual([]);
});

test('a project is removed by its administrators only', async () => {
  const remove = async (who: SignedInBrowser | undefined) =>
    (await who?.call('DELETE', '/api/projects/shop'))?.status;
  for (const role of ['viewer', 'developer', 'deployer'] as const) {
    expect(await remove(globals.get(role))).toBe(403);
    expect(await remove(members.get(role))).toBe(403);
  }
  expect(await remove(members.get('admin'))).toBe(204);
  expect(await remove(globals.get('admin'))).toBe(404);
});
