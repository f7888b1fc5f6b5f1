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

test('a page of ours is let in by its cookie, another is not', async () => {
  const own = await open({ cookie: ada.cookie, origin: here.address });
  expect(own.outcome).toBe('connected');
  own.close();
  for (const origin of ['https://evil.example', 'null', `${here.address}.evil.example`]) {
    expect((await open({ cookie: ada.cookie, origin })).outcome).toMatch(/websocket error/);
  }
});

test('a cookie without an origin is not a browser and is refused', async () => {
  expect((await open({ cookie: ada.cookie })).outcome).toMatch(/websocket error/);
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
