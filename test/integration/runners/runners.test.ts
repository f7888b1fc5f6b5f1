import { ensureEmbeddedRunner } from '@reprise/server/runners/embedded.ts';
import { expect, test } from 'vitest';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { QueueServer } from '../../rig/queue-server.ts';

interface Listed {
  items: { name: string; labels: string[]; connected: boolean; running: number; draining: boolean }[];
}

interface Waiting {
  items: { job: string; status: string; why: string; runner: string | null }[];
}

test('a runner is added, shows its token once, and is listed with what it does', async () => {
  await using server = await QueueServer.start();
  const given = { name: 'box-1', labels: ['linux', 'gpu', 'linux'] };
  const added = await server.admin<{ token: string }>('POST', '/api/runners', given);
  expect(added).toMatchObject({ status: 201, body: { name: 'box-1', labels: ['gpu', 'linux'] } });
  expect((await server.admin<Listed>('GET', '/api/runners')).body.items).toMatchObject([
    { connected: false },
  ]);
  const list = JSON.stringify(await server.services.db.selectFrom('runners').selectAll().execute());
  expect(list).not.toContain(added.body.token);
  expect(await server.admin('POST', '/api/runners', given)).toMatchObject({
    status: 409,
    body: { code: 'name-taken' },
  });
  const working = await PuppetRunner.connect(server, { name: 'box-2' });
  await server.build({ name: 'test' });
  await working.take();
  const { body } = await server.admin<Listed>('GET', '/api/runners');
  expect(body.items).toMatchObject([
    { name: 'box-1', connected: false, running: 0 },
    { name: 'box-2', connected: true, running: 1, version: '0.0.0', sandbox: 'none' },
  ]);
});

test.each([
  [{ name: 'No Spaces' }],
  [{ name: 'box', labels: ['../x'] }],
  [{ name: 'box', labels: 'linux' }],
  [{ name: 'box', capacity: 4 }],
])('a runner cannot be added with %j', async (given) => {
  await using server = await QueueServer.start();
  expect(await server.admin('POST', '/api/runners', given)).toMatchObject({
    status: 400,
    body: { code: 'bad-request' },
  });
});

test('runners do not manage runners, and unknown ones are not found', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  expect(await runner.json('POST', '/api/runners', { name: 'mine' })).toMatchObject({ status: 403 });
  expect(await runner.send('GET', '/api/queue')).toMatchObject({ status: 403 });
  expect(await server.admin('PATCH', '/api/runners/none', { draining: true })).toMatchObject({ status: 404 });
  expect(await server.admin('DELETE', '/api/runners/none')).toMatchObject({ status: 404 });
});

test("the embedded runner's token is new with each start, its instance stays known, and it cannot be removed", async () => {
  await using server = await QueueServer.start();
  const first = await ensureEmbeddedRunner(server.services);
  await server.services.db.updateTable('runners').set({ instance: 'before1234' }).execute();
  const second = await ensureEmbeddedRunner(server.services);
  expect(second).not.toBe(first);
  const rows = await server.services.db.selectFrom('runners').selectAll().execute();
  expect(rows).toMatchObject([{ name: 'embedded', labels: '["deploy","linux"]', instance: 'before1234' }]);
  expect(await server.admin('DELETE', '/api/runners/embedded')).toMatchObject({ status: 409 });
  expect(await server.admin('POST', '/api/runners', { name: 'embedded' })).toMatchObject({ status: 409 });
});

test('the queue says what runs, what waits and why', async () => {
  await using server = await QueueServer.start();
  await server.build(
    { name: 'test' },
    { name: 'package', needs: ['test'] },
    { name: 'learn', runsOn: ['gpu', 'linux'] },
  );
  const read = async () => (await server.admin<Waiting>('GET', '/api/queue')).body.items;
  expect(await read()).toMatchObject([
    { job: 'test', why: 'there is no runner: add one' },
    { job: 'package', why: 'waits for test' },
    { job: 'learn' },
  ]);
  const runner = await PuppetRunner.connect(server, { name: 'box' });
  await runner.hello({ capacity: 1 });
  expect((await read()).map(({ why }) => why)).toEqual(['', 'waits for test', 'no runner has the label gpu']);
  await runner.take();
  await server.build({ name: 'later' });
  expect(await read()).toMatchObject([
    { job: 'test', status: 'running', runner: 'box', why: '' },
    { job: 'package', status: 'queued', runner: null },
    { job: 'learn', status: 'queued' },
    { job: 'later', why: 'the only runner with linux is busy' },
  ]);
});
