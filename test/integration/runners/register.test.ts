import type { RunnerAnswer } from '@reprise/server/runners/runner.api.ts';
import { Secret } from '@reprise/server/secret.ts';
import { expect, test } from 'vitest';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { QueueServer } from '../../rig/queue-server.ts';
import { allRecords } from '../../rig/records.ts';

const SECRET = 'the-secret-that-runners-register-with-01';

const start = () => QueueServer.start({ config: { runnerRegistration: new Secret(SECRET) } });

async function listed(server: QueueServer): Promise<RunnerAnswer[]> {
  return (await server.admin<{ items: RunnerAnswer[] }>('GET', '/api/runners')).body.items;
}

async function audited(server: QueueServer) {
  return server.services.db
    .selectFrom('audit')
    .select(['actor', 'action', 'subject'])
    .orderBy('seq')
    .execute();
}

test('a runner with the secret registers itself, takes jobs, and is shown as one that came by itself', async () => {
  await using server = await start();
  const runner = PuppetRunner.unadded(server, 'box-1');
  expect(await runner.hello()).toMatchObject({ status: 401 });
  expect(await runner.register(SECRET, { labels: ['linux', 'gpu', 'linux'] })).toEqual({
    status: 200,
    body: { runner: 'box-1' },
  });
  expect(await runner.hello()).toMatchObject({ status: 200, body: { runner: 'box-1' } });
  await server.build({ name: 'test', runsOn: ['gpu'] });
  await runner.take();
  expect(await listed(server)).toMatchObject([
    { name: 'box-1', labels: ['gpu', 'linux'], registered: true, addedBy: null, connected: true, running: 1 },
  ]);
  expect(await audited(server)).toEqual([
    { actor: 'runner registration', action: 'runner.register', subject: 'runner box-1' },
  ]);
  const records = await allRecords(server.services.db);
  expect(records).not.toContain(runner.token);
  expect(records).not.toContain(SECRET);
});

test('registering again, all at once or under another name, makes one runner and one entry', async () => {
  await using server = await start();
  const runner = PuppetRunner.unadded(server, 'box-1');
  const answers = await Promise.all(Array.from({ length: 8 }, () => runner.register(SECRET)));
  answers.push(await runner.register(SECRET, { name: 'box-2', labels: ['deploy'] }));
  expect(answers).toEqual(answers.map(() => ({ status: 200, body: { runner: 'box-1' } })));
  expect(await listed(server)).toMatchObject([{ name: 'box-1', labels: ['linux'] }]);
  expect(await audited(server)).toHaveLength(1);
});

test('a name that is taken is refused with what to do, and nothing of its owner changes', async () => {
  await using server = await start();
  const added = await PuppetRunner.connect(server, { name: 'box-1', labels: ['gpu'] });
  for (const name of ['box-1', 'embedded'])
    expect(await PuppetRunner.unadded(server, name).register(SECRET)).toMatchObject({
      status: 409,
      body: { code: 'name-taken', detail: expect.stringMatching(/runners page.+REPRISE_RUNNER_NAME/) },
    });
  expect(await added.hello()).toMatchObject({ status: 200 });
  expect(await listed(server)).toMatchObject([
    { name: 'box-1', labels: ['gpu'], registered: false, addedBy: 'operator' },
  ]);
});

test('a runner that registered itself deploys only while an administrator lets it', async () => {
  await using server = await start();
  const runner = PuppetRunner.unadded(server, 'box-1');
  const labels = ['deploy', 'linux'];
  await runner.register(SECRET, { labels });
  expect(await runner.hello({ labels })).toMatchObject({ body: { labels: ['linux'] } });
  await server.build({ name: 'release', runsOn: ['deploy'] });
  const waiting = runner.claim();
  await expect.poll(() => server.services.queue.waiting).toBe(1);

  const change = (deploy: boolean) => server.admin('PATCH', '/api/runners/box-1', { deploy });
  expect(await change(true)).toMatchObject({ status: 200, body: { labels } });
  // What it waited with is asked again, now with the label.
  expect(await waiting).toMatchObject({ status: 204 });
  expect(await runner.take()).toMatchObject({ job: { name: 'release' } });
  expect(await runner.hello({ labels: ['linux', 'gpu'] })).toMatchObject({
    body: { labels: ['deploy', 'gpu', 'linux'] },
  });
  expect(await change(true)).toMatchObject({ status: 200 });
  expect(await change(false)).toMatchObject({ status: 200, body: { labels: ['gpu', 'linux'] } });
  expect(await runner.hello({ labels })).toMatchObject({ body: { labels: ['linux'] } });
  expect((await audited(server)).map(({ action }) => action)).toEqual([
    'runner.register',
    'runner.change',
    'runner.change',
  ]);
});

test("whether an added runner deploys is said by its labels, not by an administrator's word", async () => {
  await using server = await start();
  const runner = await PuppetRunner.connect(server, { name: 'box-1' });
  expect(await server.admin('PATCH', '/api/runners/box-1', { deploy: true })).toMatchObject({
    status: 409,
    body: { code: 'conflict', detail: expect.stringContaining('REPRISE_LABELS') },
  });
  expect(await runner.hello({ labels: ['deploy'] })).toMatchObject({ body: { labels: ['deploy'] } });
});

test('a runner that was removed does not come back with the same token', async () => {
  await using server = await start();
  const runner = PuppetRunner.unadded(server, 'box-1');
  await runner.register(SECRET);
  expect(await server.admin('DELETE', '/api/runners/box-1')).toMatchObject({ status: 204 });
  expect(await runner.hello()).toMatchObject({ status: 401 });
  expect(await runner.register(SECRET, { name: 'box-2' })).toMatchObject({
    status: 403,
    body: { code: 'forbidden', detail: expect.stringMatching(/box-1, was removed.+"token"/) },
  });
  expect(await listed(server)).toEqual([]);
  expect(await PuppetRunner.unadded(server, 'box-1').register(SECRET)).toMatchObject({ status: 200 });
});

test('a wrong secret is refused, recorded, and after thirty from one address nobody there registers', async () => {
  await using server = await start();
  const runner = PuppetRunner.unadded(server, 'box-1');
  expect(await runner.register(`${SECRET}2`)).toMatchObject({
    status: 401,
    body: { code: 'unauthenticated', detail: expect.stringContaining('REPRISE_RUNNER_REGISTRATION') },
  });
  expect(await audited(server)).toEqual([
    { actor: 'anonymous', action: 'runner.refused', subject: 'runner box-1' },
  ]);
  await Promise.all(Array.from({ length: 29 }, () => runner.register('wrong')));
  expect(await runner.register(SECRET)).toMatchObject({ status: 429, body: { code: 'rate-limited' } });
  server.clock.advance(15 * 60_000 + 1);
  expect(await runner.register(SECRET)).toMatchObject({ status: 200 });
});

test('the secret opens nothing else, and no other credential registers', async () => {
  await using server = await start();
  const runner = await PuppetRunner.connect(server);
  const bearing = (token: string) =>
    fetch(`${server.address}/api/runners`, { headers: { authorization: `Bearer ${token}` } });
  expect((await bearing(SECRET)).status).toBe(401);
  for (const other of [runner.token, 'the-token-of-the-tests-administrator-0123'])
    expect(await PuppetRunner.unadded(server).register(other)).toMatchObject({ status: 401 });
});

test.each([
  ['another protocol', { protocol: 2 }, 426, 'protocol-mismatch'],
  ['a name that is none', { name: 'No Spaces' }, 400, 'bad-request'],
  ['a token instead of its digest', { tokenSha256: 'rpr_token' }, 400, 'bad-request'],
])('%s is refused before the secret is looked at', async (_what, given, status, code) => {
  await using server = await start();
  const runner = PuppetRunner.unadded(server);
  expect(await runner.register('wrong', given)).toMatchObject({ status, body: { code } });
  expect(await audited(server)).toEqual([]);
});

test('without the setting no runner registers itself, and is told where to turn', async () => {
  await using server = await QueueServer.start();
  expect(await PuppetRunner.unadded(server).register(SECRET)).toMatchObject({
    status: 403,
    body: { code: 'forbidden', detail: expect.stringContaining('REPRISE_RUNNER_REGISTRATION') },
  });
});
