import { request } from 'node:http';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeToken, type SignedInBrowser, signIn } from '../../rig/accounts.ts';
import { ServerHere } from '../../rig/server-here.ts';
import { Watcher } from '../../rig/watcher.ts';

let here: ServerHere;
let ada: SignedInBrowser;
beforeAll(async () => {
  here = await ServerHere.start();
  await here.project('shop', { 'a.txt': 'a' });
  await here.project('other', { 'a.txt': 'a' });
  ada = await signIn(here, { login: 'ada', role: 'admin' });
});
afterAll(() => here[Symbol.asyncDispose]());

/** A socket as a browser's page opens it: with its cookie and its origin. Resolves with what became of it. */
function open(
  headers: Record<string, string>,
  auth: object = {},
): Promise<{ outcome: string; close(): void }> {
  const socket = io(here.address, {
    transports: ['websocket'],
    extraHeaders: headers,
    auth,
    reconnection: false,
    forceNew: true,
  });
  const close = () => void socket.close();
  return new Promise((resolve) => {
    socket.once('connect', () => resolve({ outcome: 'connected', close }));
    socket.once('connect_error', (error) => resolve({ outcome: error.message, close }));
  });
}

/** The status that a handshake is answered: 101 is a socket. */
function handshake(headers: Record<string, string>): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const asking = request(`${here.address}/socket.io/?EIO=4&transport=websocket`, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      ...headers,
    },
  });
  asking.once('response', (response) => resolve(response.resume().statusCode ?? 0));
  asking.once('upgrade', (response, socket) => {
    socket.destroy();
    resolve(response.statusCode ?? 0);
  });
  asking.once('error', reject);
  asking.end();
  return promise;
}

test('a page of ours is let in by its cookie', async () => {
  const own = await open({ cookie: ada.cookie, origin: here.address });
  expect(own.outcome).toBe('connected');
  own.close();
  expect(await handshake({ cookie: ada.cookie, origin: here.address })).toBe(101);
});

test.each(['https://evil.example', 'null', 'http://127.0.0.1', 'http://127.0.0.1.evil.example', ''])(
  'a page of origin "%s" gets no socket with the cookie (A2)',
  async (origin) => {
    expect(await handshake({ cookie: ada.cookie, origin })).toBe(403);
  },
);

test('a cookie without an origin is not from a browser, and gets no socket (A2)', async () => {
  expect(await handshake({ cookie: ada.cookie })).toBe(403);
});

test('there is no way around the socket: polling is refused whoever asks', async () => {
  for (const origin of [here.address, 'https://evil.example']) {
    const headers = { cookie: ada.cookie, origin };
    const { status } = await fetch(`${here.address}/socket.io/?EIO=4&transport=polling`, { headers });
    expect(status).toBe(400);
  }
});

test('nobody in particular is refused', async () => {
  expect((await open({ origin: here.address })).outcome).toBe('unauthenticated');
  expect((await open({ origin: here.address, cookie: 'reprise=rps_made-up' })).outcome).toBe(
    'unauthenticated',
  );
});

test('a member of one project watches that one, and nothing else exists', async () => {
  const eve = await signIn(here, { login: 'eve', projects: { shop: 'viewer' } });
  const { token } = await makeToken(eve, { name: 'watch', role: 'viewer' });
  using watcher = new Watcher(here.address, token);
  await watcher.connected();
  expect(await watcher.watch('project:shop')).toMatchObject({ ok: true });
  for (const topic of ['project:other', 'build:other/1', 'log:other/1/test/1', 'audit'])
    expect(await watcher.watch(topic)).toMatchObject({ ok: false });
});

test('a revoked token ends its socket within a second, and no other', async () => {
  const { id, token } = await makeToken(ada, { name: 'short', role: 'viewer' });
  const { token: longer } = await makeToken(ada, { name: 'long', role: 'viewer' });
  using watcher = new Watcher(here.address, token);
  using other = new Watcher(here.address, longer);
  await Promise.all([watcher.connected(), other.connected()]);
  const ended = new Promise((resolve) => watcher.socket.once('disconnect', resolve));
  const refused = new Promise<Error>((resolve) => watcher.socket.once('connect_error', resolve));
  const began = performance.now();
  await ada.call('DELETE', `/api/tokens/${id}`);
  await ended;
  expect(performance.now() - began).toBeLessThan(1000);
  expect((await refused).message).toBe('unauthenticated');
  expect(other.socket.connected).toBe(true);
});

test('signing out ends the sockets of that session', async () => {
  const bob = await signIn(here, { login: 'bob', role: 'viewer' });
  const socket = io(here.address, {
    transports: ['websocket'],
    extraHeaders: { cookie: bob.cookie, origin: here.address },
    reconnection: false,
    forceNew: true,
  });
  await new Promise((resolve) => socket.once('connect', () => resolve(null)));
  const ended = new Promise((resolve) => socket.once('disconnect', resolve));
  await bob.call('DELETE', '/api/session');
  await ended;
  socket.close();
});
