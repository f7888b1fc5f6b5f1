import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeToken, type SignedInBrowser, signIn, withToken } from '../../rig/accounts.ts';
import { ServerHere } from '../../rig/server-here.ts';

let here: ServerHere;
let ada: SignedInBrowser;
beforeAll(async () => {
  here = await ServerHere.start();
  ada = await signIn(here, { login: 'ada', role: 'admin' });
});
afterAll(() => here[Symbol.asyncDispose]());

/** A plain look with these headers. */
async function look(headers: Record<string, string>, at = here): Promise<{ status: number; detail: string }> {
  const response = await fetch(`${at.address}/api/projects`, { headers });
  const { detail = '' } = (await response.json()) as { detail?: string };
  return { status: response.status, detail };
}

test('a bearer token goes before a cookie, also a wrong one', async () => {
  expect((await look({ cookie: ada.cookie })).status).toBe(200);
  expect((await look({ cookie: ada.cookie, authorization: 'Bearer nonsense' })).status).toBe(401);
});

test.each(['Basic YTpi', 'Bearer', 'Bearer ', 'Bearer a b', `Bearer ${'a'.repeat(513)}`, ''])(
  'an Authorization header %j is refused, with what it should be',
  async (authorization) => {
    const { status, detail } = await look({ authorization });
    expect(status).toBe(401);
    expect(detail).toMatch(/token/);
  },
);

test('who shows nothing is told how people and programs say who they are', async () => {
  const { status, detail } = await look({});
  expect(status).toBe(401);
  expect(detail).toMatch(/sign in.*Authorization: Bearer/);
  expect(await look({ cookie: 'reprise=rps_over' })).toEqual({ status, detail });
});

test('behind TLS a cookie that a neighbouring host may have planted signs nobody in', async () => {
  await using behind = await ServerHere.start({ REPRISE_URL: 'https://ci.example' });
  const grace = await signIn(behind, { login: 'grace', role: 'viewer' });
  expect(grace.cookie).toMatch(/^__Host-reprise=/);
  expect((await look({ cookie: grace.cookie }, behind)).status).toBe(200);
  const planted = grace.cookie.replace('__Host-', '');
  expect((await look({ cookie: planted }, behind)).status).toBe(401);
});

test('when a session or token was last used is written once a minute, not with every request', async () => {
  const begin = here.services.now();
  const { id, token } = await makeToken(ada, { name: 'busy', role: 'viewer' });
  const { db } = here.services;
  const used = async () => {
    const found = await db
      .selectFrom('tokens')
      .select('last_used_at')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    return found.last_used_at;
  };
  const askAt = async (now: number) => {
    here.services.now = () => now;
    expect((await withToken(here, token, { path: '/api/projects' })).status).toBe(200);
    return used();
  };
  expect(await used()).toBeNull();
  expect(await askAt(begin + 1000)).toBe(begin + 1000);
  expect(await askAt(begin + 60_000)).toBe(begin + 1000);
  expect(await askAt(begin + 61_000)).toBe(begin + 61_000);
});
