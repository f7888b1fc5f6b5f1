import type { QueueItem } from '@reprise/server/queue/queue.api.ts';
import { expect, test } from 'vitest';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { QueueServer } from '../../rig/queue-server.ts';

async function queue(server: QueueServer): Promise<QueueItem[]> {
  return (await server.admin<{ items: QueueItem[] }>('GET', '/api/queue')).body.items;
}

test('the queue says of what is built: where it is, since when, what came first and what it was made of', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' }, { name: 'later', runsOn: ['nobody'] });
  await server.services.db
    .updateTable('builds')
    .set({ message: `Subject <b>\r\n\r\n${'The body. '.repeat(100_000)}`, trigger_reason: 'to see' })
    .execute();
  const work = await runner.take();
  const facts = {
    project: 'app',
    build: number,
    branch: 'main',
    environment: null,
    message: 'Subject <b>',
    trigger: { kind: 'manual', by: 'ada', reason: 'to see' },
    priority: 0,
    queuedAt: expect.stringMatching(/Z$/),
  };
  expect(await queue(server)).toEqual([
    {
      ...facts,
      job: 'test',
      status: 'running',
      runsOn: ['linux'],
      startedAt: expect.stringMatching(/Z$/),
      step: null,
      why: '',
      runner: runner.name,
    },
    {
      ...facts,
      job: 'later',
      status: 'queued',
      runsOn: ['nobody'],
      startedAt: null,
      step: null,
      why: 'no runner has the label nobody',
      runner: null,
    },
  ]);
  const started = { exitCode: null, startedMs: 5, finishedMs: null, logOffset: 0 };
  await runner.progress(work, [{ name: 'true', status: 'running', ...started }]);
  expect((await queue(server))[0]?.step).toBe('true');
  await runner.progress(work, [{ name: 'true', status: 'passed', ...started, exitCode: 0, finishedMs: 9 }]);
  expect((await queue(server))[0]?.step).toBeNull();
  await runner.finish(work);
  expect((await queue(server)).map(({ job }) => job)).toEqual(['later']);
});

test('it is read page by page: what runs, then what waits in the order in which it is taken', async () => {
  await using server = await QueueServer.start();
  const runners = [await PuppetRunner.connect(server), await PuppetRunner.connect(server)];
  for (const at of [1, 2]) await server.build({ name: `early-${at}` });
  for (const runner of runners) await runner.take();
  await server.build(
    { name: 'nightly', priority: -10 },
    { name: 'usual' },
    { name: 'needy', needs: ['usual'] },
  );
  await server.build({ name: 'urgent', priority: 50 });
  const next = await server.build({ name: 'wanted' });
  await server.admin('POST', `/api/projects/app/builds/${next}/prioritize`, {});
  const names: string[][] = [];
  let path: string | null = '/api/queue?limit=1';
  while (path !== null) {
    const { body }: { body: { items: QueueItem[]; next: string | null } } = await server.admin('GET', path);
    names.push(body.items.map(({ job }) => job));
    path = body.next === null ? null : `/api/queue?limit=${names.length % 2 ? 2 : 1}&before=${body.next}`;
  }
  const pages = [['early-1'], ['early-2', 'wanted'], ['urgent'], ['usual', 'needy'], ['nightly']];
  expect(names).toEqual(pages);
  for (const before of ['7', '1.2', '2.0.1', '0.x.1', `0.0.${'9'.repeat(20)}`])
    expect(await server.admin('GET', `/api/queue?before=${before}`)).toMatchObject({ status: 400 });
});
