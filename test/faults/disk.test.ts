import { expect, test } from 'vitest';
import { ENGINE } from '../rig/engine.ts';
import { smallDisk } from '../rig/small-disk.ts';
import { Installation } from './installation.ts';
import { breaches } from './invariants.ts';

const MIB = 1024 * 1024;

test('a server whose disk is full says so, keeps what it has, and goes on when there is space again', async (context) => {
  using disk = smallDisk(48 * MIB, context);
  await using installation = await Installation.start({
    runners: 2,
    lines: 200,
    rest: 0.5,
    dataDir: `${disk.path}/data`,
  });
  const { rig } = installation;
  const before = await installation.push();
  await rig.until('faults', before, ({ status }) => status === 'running');
  disk.fill(0);
  // Records that are elsewhere are kept all the same; artifacts wait with their runners.
  if (ENGINE === 'postgres') await installation.push();
  else
    expect(await installation.pushes.pushOnce()).toMatchObject({ status: 507, body: { code: 'disk-full' } });
  expect(await rig.api('GET', `/api/projects/faults/builds/${before}`)).toMatchObject({ number: before });
  // It is sent again until it is taken, as is what the runners hold.
  const pushes = Array.from({ length: 5 }, () => installation.push());
  disk.free();
  await Promise.all(pushes);
  for (const build of await installation.settled()) expect(build).toMatchObject({ status: 'passed' });
  await installation.stop();
  expect(await breaches(installation)).toEqual([]);
});
