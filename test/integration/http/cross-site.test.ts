import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SignedInBrowser, signIn } from '../../rig/accounts.ts';
import { ServerHere } from '../../rig/server-here.ts';

let here: ServerHere;
let ada: SignedInBrowser;
beforeAll(async () => {
  here = await ServerHere.start();
  await here.project('shop', { 'a.txt': 'a' });
  ada = await signIn(here, { login: 'ada', role: 'admin' });
});
afterAll(() => here[Symbol.asyncDispose]());

/** sha256 over every row that a change could touch. */
async function database(): Promise<string> {
  const hash = createHash('sha256');
  const tables = [
    'projects',
    'builds',
    'runners',
    'users',
    'memberships',
    'tokens',
    'secrets',
    'audit',
  ] as const;
  for (const table of tables)
    hash.update(JSON.stringify(await here.services.db.selectFrom(table).selectAll().execute()));
  return hash.digest('hex');
}

function changes(): { method: string; path: string }[] {
  return here.routes
    .filter(({ method, policy }) => method !== 'get' && method !== 'head' && policy !== 'runner')
    .map(({ method, path }) => ({
      method: method.toUpperCase(),
      path: path
        .replace(':project', 'shop')
        .replace(':number', '1')
        .replace(/:[A-Za-z0-9]+/g, 'none'),
    }));
}

test.each([
  ['another site', { origin: 'https://evil.example' }],
  ['a name that begins like ours', { origin: 'http://127.0.0.1.evil.example' }],
  ['a sandboxed frame', { origin: 'null' }],
  ['no page that says its name', { origin: '' }],
  ['our page without its token', { 'x-csrf-token': '' }],
  ["our page with another session's token", { 'x-csrf-token': 'x'.repeat(43) }],
])('no change is made with the cookie from %s', async (_, wrong) => {
  const before = await database();
  expect(changes().length).toBeGreaterThan(20);
  const let_in: string[] = [];
  for (const { method, path } of changes()) {
    // What anybody may send without a cookie needs the origin alone.
    if (path.startsWith('/api/session') && !('origin' in wrong && wrong.origin !== '')) continue;
    const headers: Record<string, string> = { ...ada.headers, ...wrong };
    if (headers['origin'] === '') delete headers['origin'];
    const response = await fetch(here.address + path, { method, headers, body: '{}' });
    const body = (await response.json()) as { code: string };
    if (response.status !== 403 || body.code !== 'cross-site')
      let_in.push(`${method} ${path}: ${response.status}`);
  }
  expect(let_in).toEqual([]);
  expect(await database()).toBe(before);
});

test('the page of this server makes changes with its cookie and token', async () => {
  const { status } = await ada.call('POST', '/api/runners', { name: 'mine' });
  expect(status).toBe(201);
});

test('a program with a token needs neither origin nor CSRF token', async () => {
  expect((await here.admin('POST', '/api/runners', { name: 'by-program' })).status).toBe(201);
});
