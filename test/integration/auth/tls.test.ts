import { request } from 'node:http';
import { expect, test } from 'vitest';
import { PASSWORD, signIn } from '../../rig/accounts.ts';
import { type Body, ServerHere } from '../../rig/server-here.ts';

interface Reply {
  status: number;
  cookies: string[];
  body: Body;
}

/** A request whose Host header is another than where it is sent: what a browser elsewhere, or a proxy, sends. */
function ask(here: ServerHere, o: { host: string; headers?: object; body?: object }): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const { port } = new URL(here.address);
  const body = o.body && JSON.stringify(o.body);
  const headers = { host: o.host, ...(body && { 'content-type': 'application/json' }), ...o.headers };
  const options = { host: '127.0.0.1', port, path: '/api/session', method: body ? 'POST' : 'GET', headers };
  const sending = request(options, async (response) => {
    let text = '';
    for await (const chunk of response) text += chunk;
    const cookies = response.headers['set-cookie'] ?? [];
    resolve({ status: response.statusCode ?? 0, cookies, body: JSON.parse(text) });
  });
  sending.on('error', reject);
  sending.end(body);
  return promise;
}

const ada = { login: 'ada', password: PASSWORD };

test('over plain HTTP nobody signs in from elsewhere, and is told before typing a password', async () => {
  await using here = await ServerHere.start({ REPRISE_HOST: '0.0.0.0' });
  await signIn(here.address.replace('0.0.0.0', '127.0.0.1'), { login: 'ada', role: 'admin' });
  const host = 'ci.example.com:4000';
  const told = await ask(here, { host });
  expect(told.body.signIn.possible).toBe(false);
  expect(told.body.signIn.why).toMatch(/TLS.*REPRISE_URL/);
  const refused = await ask(here, { host, body: ada });
  expect(refused).toMatchObject({ status: 403, cookies: [], body: { code: 'tls-required' } });
  expect((await ask(here, { host, body: { link: 'rpl_x', password: PASSWORD } })).body.code).toBe(
    'tls-required',
  );
  expect((await ask(here, { host: 'localhost:4000', body: ada })).status).toBe(200);
});

test('a forged X-Forwarded-Proto or -Host does not make a connection private', async () => {
  await using here = await ServerHere.start();
  await signIn(here, { login: 'ada', role: 'admin' });
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'localhost' };
  expect((await ask(here, { host: 'ci.example.com', headers, body: ada })).status).toBe(403);
});

test('behind a proxy with TLS that is believed, the cookie is bound to TLS and to this host', async () => {
  await using here = await ServerHere.start({ REPRISE_TRUST_PROXY: 'loopback' });
  await signIn(here, { login: 'ada', role: 'admin' });
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7' };
  const { status, cookies } = await ask(here, { host: 'ci.example.com', headers, body: ada });
  expect(status).toBe(200);
  const [cookie = ''] = cookies.filter((line) => line.includes('=rps_'));
  expect(cookie).toMatch(/^__Host-reprise=rps_[\w-]{43};/);
  expect(cookie.split('; ')).toEqual(
    expect.arrayContaining(['Secure', 'HttpOnly', 'Path=/', 'SameSite=Lax']),
  );
  expect(cookie).not.toMatch(/domain/i);
  const { items } = (await here.admin('GET', '/api/audit?action=session.create')).body;
  expect(items[0].detail.address).toBe('203.0.113.7');
});

test('with an https public address the cookie is Secure, and only who asked for that address signs in', async () => {
  await using here = await ServerHere.start({ REPRISE_URL: 'https://ci.example.com' });
  const made = await here.admin('POST', '/api/users', { login: 'ada', role: 'admin' });
  expect(made.body.link.url).toMatch(/^https:\/\/ci\.example\.com\/welcome#rpl_/);
  const link = new URL(made.body.link.url).hash.slice(1);
  const entered = await ask(here, { host: 'ci.example.com', body: { link, password: PASSWORD } });
  expect(entered.status).toBe(200);
  expect(entered.cookies.join()).toMatch(/__Host-reprise=rps_.*Secure/);
  const beside = await ask(here, { host: '192.0.2.1:4000', body: ada });
  expect(beside).toMatchObject({ status: 403, body: { code: 'tls-required' } });
  expect(beside.body.detail).toContain('https://ci.example.com');
});

test('a public address on this machine, as of a forwarded container port, needs no TLS', async () => {
  await using here = await ServerHere.start({ REPRISE_URL: 'http://localhost:4000' });
  await signIn(here, { login: 'ada', role: 'admin' });
  expect((await ask(here, { host: 'localhost:4000', body: ada })).status).toBe(200);
});
