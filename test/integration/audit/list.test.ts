import type { AuditEntry } from '@reprise/server/audit/audit.api.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeToken, type SignedInBrowser, signIn, withToken } from '../../rig/accounts.ts';
import { filesWith } from '../../rig/canary.ts';
import { ADMIN_TOKEN } from '../../rig/reprise.ts';
import { ServerHere } from '../../rig/server-here.ts';

const SECRET = 'ghp_aTokenThatNobodyMaySee0123456789';
const FILES = { '.reprise.yml': "version: 1\njobs: { test: { steps: [{ run: 'true' }] } }\n" };

let here: ServerHere;
let dev: SignedInBrowser;
let viewer: SignedInBrowser;
let member: SignedInBrowser;

beforeAll(async () => {
  here = await ServerHere.start({ REPRISE_ADMIN_TOKEN: ADMIN_TOKEN, REPRISE_GIT_PROTOCOLS: 'file:https' });
  for (const name of ['shop', 'web']) await here.project(name, FILES);
  const credential = { kind: 'token', token: SECRET };
  const cloneUrl = 'https://127.0.0.1:1/x.git';
  await here.admin('POST', '/api/projects', { name: 'api', cloneUrl, credential });
  await here.admin('PATCH', '/api/projects/shop', { public: true, defaultBranch: 'main' });
  await here.admin('POST', '/api/runners', { name: 'box' });
  dev = await signIn(here, { login: 'dev', role: 'developer' });
  viewer = await signIn(here, { login: 'viewer', role: 'viewer' });
  member = await signIn(here, { login: 'member', projects: { shop: 'developer' } });
  const { token } = await makeToken(dev, { name: 'laptop', role: 'developer' });
  await withToken(here, token, { method: 'POST', path: '/api/projects/web/builds', body: { ref: 'main' } });
  const asked = { ref: 'main', reason: 'the release' };
  await member.call('POST', '/api/projects/shop/builds', asked);
});
afterAll(() => here[Symbol.asyncDispose]());

async function audit(query: string, who?: SignedInBrowser): Promise<AuditEntry[]> {
  const path = `/api/audit?${query}`;
  const { status, body } = await (who ? who.call('GET', path) : here.admin('GET', path));
  expect(status).toBe(200);
  return body.items;
}

test('an entry says who did what to what, when, how and why', async () => {
  const [asked] = await audit('action=build.create&project=shop');
  expect(asked).toEqual({
    seq: expect.any(Number),
    at: expect.stringMatching(/^20.*Z$/),
    actor: 'member',
    via: '',
    action: 'build.create',
    project: 'shop',
    subject: 'shop #1',
    reason: 'the release',
    detail: { ref: 'main', commit: expect.stringMatching(/^[0-9a-f]{40}$/) },
    previousHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect((await audit('action=build&actor=dev'))[0]).toMatchObject({ via: 'laptop', project: 'web' });
  expect((await audit('action=project.change'))[0]).toMatchObject({
    actor: 'operator',
    detail: { public: { from: false, to: true }, defaultBranch: { from: null, to: 'main' } },
  });
});

test('entries are filtered and paged, the newest first', async () => {
  const all = await audit('limit=200');
  expect(all.map(({ seq }) => seq)).toEqual(all.map((_, at) => all.length - at));
  expect((await audit('action=project')).map(({ action }) => action)).toEqual([
    'project.change',
    ...Array(3).fill('project.create'),
  ]);
  expect((await audit('project=web')).map(({ action }) => action)).toEqual([
    'build.create',
    'project.create',
  ]);
  expect(await audit('project=web&actor=operator&action=build')).toEqual([]);
  const { body } = await here.admin('GET', '/api/audit?limit=4');
  const rest = await here.admin('GET', `/api/audit?limit=200&before=${body.next}`);
  expect([...body.items, ...rest.body.items]).toEqual(all);
  expect(rest.body.next).toBeNull();
  for (const action of ['Build', 'build.', "build' or 1", '.create'])
    expect((await here.admin('GET', `/api/audit?action=${encodeURIComponent(action)}`)).status).toBe(400);
});

test('administrators see everything, others what was done in their projects', async () => {
  const projects = (found: AuditEntry[]) => [...new Set(found.map(({ project }) => project))].sort();
  expect(projects(await audit('limit=200'))).toContain(null);
  expect(projects(await audit('limit=200', viewer))).toEqual(['api', 'shop', 'web']);
  expect(projects(await audit('limit=200', member))).toEqual(['shop']);
  expect(await audit('project=web', member)).toEqual([]);
  expect(await audit('action=runner', viewer)).toEqual([]);
});

test('what is done with the secrets is recorded, the secrets are not', async () => {
  const entry = (await audit('project=api')).at(-1);
  expect(entry?.detail).toMatchObject({ credential: 'token' });
  const all = JSON.stringify(await audit('limit=200'));
  expect(all).not.toContain(SECRET);
  expect(all).not.toMatch(/rp[a-z]_[\w-]{20}/);
  expect(filesWith(here.path('data'), [SECRET])).toEqual([]);
});

test('the entries of a project outlive it', async () => {
  await here.project('gone', FILES);
  await here.admin('DELETE', '/api/projects/gone');
  expect((await audit('project=gone')).map(({ action }) => action)).toEqual([
    'project.remove',
    'project.create',
  ]);
});

test('a project that lists are narrowed by is narrowed to in projects and builds, too', async () => {
  const names = async (path: string, who: SignedInBrowser) => {
    const { body } = await who.call('GET', path);
    return body.items.map((item: { name?: string; project?: string }) => item.name ?? item.project);
  };
  expect(await names('/api/projects', member)).toEqual(['shop']);
  expect(await names('/api/builds', member)).toEqual(['shop']);
  expect(await names('/api/builds', viewer)).toEqual(['shop', 'web']);
  const { body } = await member.call('GET', '/api/projects/shop');
  expect(body.role).toBe('developer');
});
