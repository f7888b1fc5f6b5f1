import { expect, test } from 'vitest';
import { addUser, cookieOf, enter, keyOf, PASSWORD, post, signIn } from '../../rig/accounts.ts';
import { ServerHere } from '../../rig/server-here.ts';

const HOUR_MS = 3_600_000;

test('signing in gives a cookie that scripts cannot read, and the page what it needs', async () => {
  await using here = await ServerHere.start();
  await signIn(here, { login: 'ada', role: 'admin' });
  const response = await post(here, { login: 'ADA ', password: PASSWORD });
  const [set = ''] = response.headers.getSetCookie().filter((line) => line.startsWith('reprise=rps_'));
  expect(set.split('; ').sort()).toEqual(
    expect.arrayContaining(['HttpOnly', 'Path=/', 'SameSite=Lax', 'Max-Age=604800']),
  );
  expect(await response.json()).toMatchObject({
    user: { login: 'ada', role: 'admin', state: 'active', projects: [] },
    csrf: expect.any(String),
    signIn: { possible: true, why: '', problem: '', github: false },
  });
});

test('signing in gives a new key and ends the session that the browser came with (A3)', async () => {
  await using here = await ServerHere.start();
  const before = await signIn(here, { login: 'ada', role: 'viewer' });
  const response = await post(here, { login: 'ada', password: PASSWORD }, before.headers);
  expect(cookieOf(response)).not.toBe(before.cookie);
  expect((await before.call('GET', '/api/sessions')).status).toBe(401);
  const planted = `reprise=rps_${'x'.repeat(43)}`;
  const fixed = await post(here, { login: 'ada', password: PASSWORD }, { cookie: planted });
  expect(cookieOf(fixed)).not.toBe(planted);
});

test('an unknown login, a wrong password, no password and a disabled user are refused alike', async () => {
  await using here = await ServerHere.start();
  await signIn(here, { login: 'ada', role: 'admin' });
  await signIn(here, { login: 'gone', role: 'viewer' });
  await here.admin('PATCH', '/api/users/gone', { disabled: true });
  await addUser(here, { login: 'invited', role: 'viewer' });
  const answers = await Promise.all(
    ['ada', 'gone', 'invited', 'nobody', "o'neil"].map(async (login) => {
      const response = await post(here, {
        login,
        password: login === 'gone' ? PASSWORD : 'not the password',
      });
      return [response.status, await response.text(), cookieOf(response)];
    }),
  );
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(answers[0]?.[0]).toBe(401);
});

test('refusals are recorded with the login and from where, never with what was typed as password', async () => {
  await using here = await ServerHere.start();
  await signIn(here, { login: 'ada', role: 'admin' });
  await post(here, { login: 'ada', password: 'hunter2 hunter2' });
  await post(here, { login: 'My Secret Passphrase!', password: 'ada' });
  const { body } = await here.admin('GET', '/api/audit?action=session.refused');
  expect(body.items.map((entry: { subject: string }) => entry.subject)).toEqual(['(not a login)', 'ada']);
  expect(body.items[0].detail).toEqual({ address: '127.0.0.1' });
  expect(JSON.stringify(body)).not.toMatch(/hunter2|passphrase/i);
});

test('the eleventh failed try is refused with when to come back, the right password too (A4)', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  for (let at = 0; at < 10; at += 1) {
    expect((await post(here, { login: 'ada', password: `wrong ${at}` })).status).toBe(401);
  }
  const eleventh = await post(here, { login: 'ada', password: PASSWORD });
  expect(eleventh.status).toBe(429);
  expect(eleventh.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(await eleventh.json()).toMatchObject({ code: 'rate-limited', status: 429 });
  const wait = Number(eleventh.headers.get('retry-after'));
  expect(wait).toBeGreaterThan(800);
  expect(wait).toBeLessThanOrEqual(900);
  expect((await ada.call('GET', '/api/session')).status).toBe(200);
  const { body } = await here.admin('GET', '/api/audit?action=session.refused&limit=200');
  expect(body.items).toHaveLength(10);
});

test('the current password is guessed no more often than at the sign-in', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const change = (current: string) =>
    ada.call('PUT', '/api/session/password', { current, password: 'another long one' });
  for (let at = 0; at < 10; at += 1) {
    expect(await change(`wrong ${at}`)).toMatchObject({
      status: 403,
      body: { code: 'wrong-password', errors: [{ field: 'current' }] },
    });
  }
  expect((await change(PASSWORD)).status).toBe(429);
});

test('the time does not tell whether an account exists (A4)', { retry: 2 }, async () => {
  await using here = await ServerHere.start();
  const times = { known: [] as number[], unknown: [] as number[] };
  // By turns, so that what else the machine does falls on both alike; thirty tries in all, as many as one address has.
  for (let user = 0; user < 3; user += 1) await signIn(here, { login: `user-${user}`, role: 'viewer' });
  const time = async (login: string) => {
    const begin = performance.now();
    const response = await post(here, { login, password: 'not the password' });
    await response.text();
    expect(response.status).toBe(401);
    return performance.now() - begin;
  };
  for (let round = 0; round < 5; round += 1) {
    for (let user = 0; user < 3; user += 1) {
      times.known.push(await time(`user-${user}`));
      times.unknown.push(await time(`nobody-${user}`));
    }
  }
  const ratio = median(times.known) / median(times.unknown);
  expect(ratio).toBeGreaterThan(0.8);
  expect(ratio).toBeLessThan(1.2);
});

function median(times: number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
}

test('two hundred who sign in at once all get in, and the server answers others meanwhile (A4)', async () => {
  await using here = await ServerHere.start();
  await signIn(here, { login: 'ada', role: 'admin' });
  const state = { done: false };
  const signingIn = Promise.all(
    Array.from({ length: 200 }, async () => {
      const response = await post(here, { login: 'ada', password: PASSWORD });
      await response.text();
      return response.status;
    }),
  ).finally(() => {
    state.done = true;
  });
  const waits: number[] = [];
  while (!state.done) {
    const begin = performance.now();
    await (await fetch(`${here.address}/healthz`)).text();
    waits.push(performance.now() - begin);
  }
  expect(new Set(await signingIn)).toEqual(new Set([200]));
  waits.sort((a, b) => a - b);
  expect(waits.length).toBeGreaterThan(10);
  expect(waits[Math.floor(waits.length * 0.99)]).toBeLessThan(1000);
});

test('a session ends after twelve hours without use, and after seven days in any case', async () => {
  await using here = await ServerHere.start();
  const begin = Date.now();
  const at = (hours: number) => {
    here.services.now = () => begin + hours * HOUR_MS;
  };
  const idle = await signIn(here, { login: 'idle', role: 'viewer' });
  const busy = await signIn(here, { login: 'busy', role: 'viewer' });
  const statusOf = async (browser: typeof idle) => (await browser.call('GET', '/api/sessions')).status;
  at(11);
  expect([await statusOf(busy), await statusOf(idle)]).toEqual([200, 200]);
  for (let hour = 22; hour < 7 * 24; hour += 11) {
    at(hour);
    expect(await statusOf(busy)).toBe(200);
  }
  expect(await statusOf(idle)).toBe(401);
  at(7 * 24 + 1);
  expect(await statusOf(busy)).toBe(401);
  // The next sign-in sweeps out what is over.
  await enter(here, { login: 'idle', password: PASSWORD });
  const held = await here.services.db.selectFrom('sessions').select('id').execute();
  expect(held).toHaveLength(1);
});

test('one sees one’s own browsers and signs any of them out, nobody else’s', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const phone = await enter(here, { login: 'ada', password: PASSWORD });
  const grace = await signIn(here, { login: 'grace', role: 'admin' });
  const { body } = await ada.call('GET', '/api/sessions');
  expect(body.items).toHaveLength(2);
  expect(body.items.filter((item: { current: boolean }) => item.current)).toHaveLength(1);
  const other = body.items.find((item: { current: boolean }) => !item.current);
  expect((await grace.call('DELETE', `/api/sessions/${other.id}`)).status).toBe(404);
  expect((await ada.call('DELETE', `/api/sessions/${other.id}`)).status).toBe(204);
  expect((await phone.call('GET', '/api/sessions')).status).toBe(401);
  expect((await ada.call('GET', '/api/sessions')).status).toBe(200);
});

test('signing out ends the session and takes the cookie back; doing it again does no harm', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const out = () => fetch(`${here.address}/api/session`, { method: 'DELETE', headers: ada.headers });
  const first = await out();
  expect(first.status).toBe(204);
  expect(first.headers.getSetCookie().join()).toContain('reprise=;');
  expect((await ada.call('GET', '/api/sessions')).status).toBe(401);
  expect((await out()).status).toBe(204);
  expect((await ada.call('GET', '/api/session')).body).toMatchObject({ user: null, csrf: null });
});

test('a changed password ends every session but gives the one who changed it a new one', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const phone = await enter(here, { login: 'ada', password: PASSWORD });
  const given = { current: PASSWORD, password: 'a quite different one' };
  const response = await fetch(`${here.address}/api/session/password`, {
    method: 'PUT',
    headers: ada.headers,
    body: JSON.stringify(given),
  });
  expect(response.status).toBe(200);
  expect((await ada.call('GET', '/api/sessions')).status).toBe(401);
  expect((await phone.call('GET', '/api/sessions')).status).toBe(401);
  const headers = { cookie: cookieOf(response) };
  expect((await fetch(`${here.address}/api/sessions`, { headers })).status).toBe(200);
  expect((await post(here, { login: 'ada', password: PASSWORD })).status).toBe(401);
  expect((await post(here, { login: 'ada', password: given.password })).status).toBe(200);
});

test('a link to choose a password works once, ends the sessions there were, and not before it is used', async () => {
  await using here = await ServerHere.start();
  const ada = await signIn(here, { login: 'ada', role: 'admin' });
  const older = (await here.admin('POST', '/api/users/ada/link')).body;
  const link = (await here.admin('POST', '/api/users/ada/link')).body;
  expect((await ada.call('GET', '/api/sessions')).status).toBe(200);
  const password = 'chosen by the link';
  expect((await post(here, { link: keyOf(older), password })).status).toBe(410);
  const uses = await Promise.all(
    Array.from({ length: 10 }, () => post(here, { link: keyOf(link), password })),
  );
  expect(uses.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(410)]);
  expect((await ada.call('GET', '/api/sessions')).status).toBe(401);
  expect((await post(here, { login: 'ada', password })).status).toBe(200);
});
