import { parseLowMark } from '@reprise/server/disk/low-mark.ts';
import { expireJobs } from '@reprise/server/queue/expire.ts';
import { expect, test } from 'vitest';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { ServerHere } from '../../rig/server-here.ts';
import { smallDisk } from '../../rig/small-disk.ts';

const MB = 1e6;
const PIPELINE = {
  '.reprise.yml': 'version: 1\njobs: { test: { steps: [run: "true"] } }\n',
};

test('below the low mark no build begins and nothing new is stored, all else goes on, and above it work is taken again', async (context) => {
  using disk = smallDisk(64 * 1024 * 1024, context);
  await using here = await ServerHere.start({
    REPRISE_DATA_DIR: `${disk.path}/data`,
    REPRISE_DISK_LOW: String(20 * MB),
  });
  const runner = await PuppetRunner.connect(here);
  const shop = await here.project('shop', PIPELINE);
  const first = await here.push(shop, shop.head);
  await here.planned('shop', first);
  const work = await runner.take();
  expect((await runner.putBlob(work, 'before')).status).toBe(201);

  disk.fill(19 * MB);
  await here.services.disk.look();
  const head = shop.repository.commit('Two', { two: '2' });
  const second = await here.push(shop, head);
  await here.planned('shop', second);
  const waiting = runner.claim();

  const { body: queue } = await here.admin('GET', '/api/queue');
  expect(queue.obstacle).toMatch(/^the server's disk is nearly full: \d+ MB are free, .*below 20 MB/);
  expect(queue.items.find(({ build }: { build: number }) => build === second).why).toBe(queue.obstacle);
  // However long it waits for space, it is not given up for want of a runner.
  await here.services.db.updateTable('jobs').set({ ready_at: 0 }).where('ready', '=', 1).execute();
  await expireJobs(here.services);
  const ready = await fetch(`${here.address}/readyz`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ status: 'ready', problem: queue.obstacle });
  expect(await runner.putBlob(work, 'something new')).toMatchObject({
    status: 507,
    body: { code: 'disk-full' },
  });
  expect((await runner.putBlob(work, 'before')).status).toBe(200);
  expect((await runner.log(work, 0, 'still heard\n')).status).toBe(200);
  expect((await here.admin('POST', `/api/projects/shop/builds/${first}/cancel`, {})).status).toBe(202);

  // A little more than the mark is not enough yet.
  disk.free();
  disk.fill(24 * MB);
  await here.services.disk.look();
  expect(here.services.disk.problem).not.toBeNull();

  disk.free();
  await here.services.disk.look();
  const { body: job } = await waiting;
  expect(job.commit).toBe(head);
  expect(await (await fetch(`${here.address}/readyz`)).json()).not.toHaveProperty('problem');
  expect(here.logLines.map(({ msg }) => msg)).toEqual(
    expect.arrayContaining([
      'the disk is nearly full: no build begins until there is space',
      'there is space on the disk again: builds begin',
    ]),
  );
});

test.each([
  ['2000000000', { bytes: 2_000_000_000 }, []],
  ['0', { bytes: 0 }, []],
  ['12.5%', { share: 0.125, mostBytes: Number.MAX_SAFE_INTEGER }, []],
  [
    '120%',
    { share: 0.05 },
    ['REPRISE_DISK_LOW must be bytes or percent of the disk, such as 5%, not "120%".'],
  ],
  [
    'much',
    { share: 0.05 },
    ['REPRISE_DISK_LOW must be bytes or percent of the disk, such as 5%, not "much".'],
  ],
])('REPRISE_DISK_LOW=%s is read as what it says, or refused', (text, mark, problems) => {
  const found: string[] = [];
  expect(parseLowMark(text, found)).toMatchObject(mark);
  expect(found).toEqual(problems);
});
