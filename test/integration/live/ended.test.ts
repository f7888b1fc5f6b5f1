import type { Assignment } from '@reprise/runner/protocol.ts';
import { expect, test } from 'vitest';
import { makeToken, type SignedInBrowser, signIn } from '../../rig/accounts.ts';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { ADMIN_TOKEN, QueueServer } from '../../rig/queue-server.ts';
import { Watcher } from '../../rig/watcher.ts';

const DAY_MS = 24 * 3_600_000;

test('who watches a log with a token that is revoked gets nothing of what is written after (A3)', async () => {
  await using server = await QueueServer.start();
  const { runner, work, topic } = await running(server);
  const ada = await signIn(server, { login: 'ada', role: 'admin' });
  const { id, token } = await makeToken(ada, { name: 'page', role: 'viewer' });
  using page = new Watcher(server.address, token);
  using other = new Watcher(server.address, ADMIN_TOKEN);
  const log = page.log(topic);
  const whole = other.log(topic);
  await runner.log(work, 0, 'before ');
  await expect.poll(() => log.bytes().toString()).toBe('before ');
  const ended = goneOf(page);
  expect((await ada.call('DELETE', `/api/tokens/${id}`)).status).toBe(204);
  await runner.log(work, 7, 'after');
  await expect.poll(() => whole.bytes().toString()).toBe('before after');
  await ended;
  expect(log.bytes().toString()).toBe('before ');
});

test('a token that expires and a session that idles out end their sockets by themselves', async () => {
  await using server = await QueueServer.start();
  const ada = await signIn(server, { login: 'ada', role: 'admin' });
  const { token } = await makeToken(ada, { name: 'week', role: 'viewer', expiresInDays: 1 });
  using byToken = new Watcher(server.address, token);
  using bySession = watcherOf(server, ada);
  using operator = new Watcher(server.address, ADMIN_TOKEN);
  await Promise.all([byToken.connected(), bySession.connected(), operator.connected()]);
  const both = Promise.all([goneOf(byToken), goneOf(bySession)]);
  server.clock.advance(DAY_MS + 1000);
  await both;
  expect(operator.socket.connected).toBe(true);
});

test('a right that was taken behind our back ends the socket within ten seconds, and it comes back without', async () => {
  await using server = await QueueServer.start();
  await running(server);
  const ada = await signIn(server, { login: 'ada', role: 'admin' });
  const eve = await signIn(server, { login: 'eve', projects: { app: 'viewer' } });
  const bob = await signIn(server, { login: 'bob', role: 'viewer' });
  const { db } = server.services;
  using lowered = watcherOf(server, ada);
  using removed = watcherOf(server, eve);
  using kept = watcherOf(server, bob);
  await Promise.all([lowered.connected(), removed.connected(), kept.connected()]);
  expect(await lowered.watch('audit')).toMatchObject({ ok: true });
  expect(await removed.watch('project:app')).toMatchObject({ ok: true });
  const both = Promise.all([goneOf(lowered), goneOf(removed)]);
  await db.updateTable('users').set({ role: 'deployer' }).where('login', '=', 'ada').execute();
  await db.deleteFrom('memberships').execute();
  // What is asked for anew is looked at anew.
  expect(await lowered.watch('audit')).toMatchObject({ ok: false });
  await both;
  await Promise.all([lowered.connected(), removed.connected()]);
  expect(await lowered.watch('audit')).toMatchObject({ ok: false });
  expect(await removed.watch('project:app')).toMatchObject({ ok: false });
  expect(await removed.watch('projects')).toMatchObject({ ok: true });
  expect(kept.socket.connected).toBe(true);
});

/** The socket of a signed-in page, as its browser opens it. */
function watcherOf(server: QueueServer, { cookie }: SignedInBrowser): Watcher {
  return new Watcher(server.address, '', { origin: server.address, cookie });
}

function goneOf({ socket }: Watcher): Promise<void> {
  return new Promise((resolve) => socket.once('disconnect', () => resolve()));
}

async function running(
  server: QueueServer,
): Promise<{ runner: PuppetRunner; work: Assignment; topic: string }> {
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  return { runner, work: await runner.take(), topic: `log:app/${number}/test/1` };
}
