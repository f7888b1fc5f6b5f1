import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cookieOf, PASSWORD, post, type SignedInBrowser, signIn } from '../../rig/accounts.ts';
import { ServerHere } from '../../rig/server-here.ts';

let here: ServerHere;
let ada: SignedInBrowser;
beforeAll(async () => {
  here = await ServerHere.start();
  await here.project('shop', { 'a.txt': 'a' });
  ada = await signIn(here, { login: 'ada', role: 'admin' });
});
afterAll(() => here[Symbol.asyncDispose]());

/** sha256 over every row of every table. */
async function database(): Promise<string> {
  const { db } = here.services;
  const tables = await db.introspection.getTables();
  const hash = createHash('sha256');
  for (const { name } of tables)
    hash.update(name + JSON.stringify((await sql`select * from ${sql.table(name)}`.execute(db)).rows));
  return hash.digest('hex');
}

/** Every declared route that changes anything, with its path filled in. */
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
  const letIn: string[] = [];
  for (const { method, path } of changes()) {
    const headers: Record<string, string> = { ...ada.headers, ...wrong };
    if (headers['origin'] === '') delete headers['origin'];
    const response = await fetch(here.address + path, { method, headers, body: '{}' });
    const body = (await response.json()) as { code: string };
    if (response.status !== 403 || body.code !== 'cross-site')
      letIn.push(`${method} ${path}: ${response.status}`);
  }
  expect(letIn).toEqual([]);
  expect(await database()).toBe(before);
});

test('the page of this server makes changes with its cookie and token', async () => {
  const { status } = await ada.call('POST', '/api/runners', { name: 'mine' });
  expect(status).toBe(201);
});

test('a program with a token needs neither origin nor CSRF token', async () => {
  expect((await here.admin('POST', '/api/runners', { name: 'by-program' })).status).toBe(201);
});

test("who has no session signs in from the server's own page only", async () => {
  const given = { login: 'ada', password: PASSWORD };
  expect((await post(here, given)).status).toBe(200);
  for (const origin of ['https://evil.example', 'null']) {
    const response = await post(here, given, { origin });
    expect(response.status).toBe(403);
    expect(cookieOf(response)).toBe('');
  }
});

test('a page that is ours by Sec-Fetch-Site alone makes changes with its token, another does not', async () => {
  const { origin: _, ...headers } = ada.headers;
  const add = async (site: string) => {
    const response = await fetch(`${here.address}/api/runners`, {
      method: 'POST',
      headers: { ...headers, 'sec-fetch-site': site },
      body: JSON.stringify({ name: `from-${site}` }),
    });
    return response.status;
  };
  expect(await add('same-origin')).toBe(201);
  expect(await add('same-site')).toBe(403);
  expect(await add('cross-site')).toBe(403);
});
