import { expect, test } from 'vitest';
import { Promotable } from '../../rig/promotable.ts';
import { smallDisk } from '../../rig/small-disk.ts';

const MB = 1e6;

test('a rollback is carried out while there is no space for builds', async (context) => {
  using disk = smallDisk(64 * 1024 * 1024, context);
  await using shop = await Promotable.start(
    { prod: { path: '/srv/prod', hosts: ['local'] } },
    {
      REPRISE_DATA_DIR: `${disk.path}/data`,
      REPRISE_DISK_LOW: String(20 * MB),
      REPRISE_PROBE_MINUTES: '0',
      REPRISE_LOOK_MINUTES: '0',
    },
  );
  for (const build of [1, 2]) {
    await shop.build();
    await shop.deploy(build, 'prod');
  }
  // A build's job may ask for the same runner, and came first.
  shop.project.repository.commit('Build where it is deployed', {
    '.reprise.yml': 'version: 1\njobs: {a: {runs-on: [deploy], steps: [{run: "true"}]}}\n',
  });
  disk.fill(19 * MB);
  await shop.here.services.disk.look();
  const { body: waits } = await shop.here.admin('POST', '/api/projects/shop/builds', {
    ref: 'main',
  });
  await shop.here.planned('shop', waits.number);
  const rollback = { reason: 'it is broken' };
  expect(
    await shop.here.admin('POST', '/api/projects/shop/environments/prod/rollback', rollback),
  ).toMatchObject({ status: 201 });
  const { body: work } = await shop.deployer.claim();
  expect(work.deployment).toMatchObject({ environment: { name: 'prod' } });
  const { body: queue } = await shop.here.admin('GET', '/api/queue');
  expect(queue.items).toMatchObject([
    { environment: 'prod', status: 'running' },
    { environment: null, status: 'queued', why: expect.stringContaining('no build begins') },
  ]);
});
