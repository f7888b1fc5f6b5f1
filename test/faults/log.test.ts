import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { ADMIN_TOKEN, Rig } from '../rig/reprise.ts';
import { Watcher } from '../rig/watcher.ts';
import { times } from './size.ts';

/** 500,000 lines are 3.4 MB. */
const PART = 500_000;
const PARTS = 6;

const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

test('twenty megabytes of log arrive whole at five viewers, though every line is cut again and again', async () => {
  await using rig = await Rig.start();
  await using toServer = await FaultProxy.to(rig.address);
  await using toViewers = await FaultProxy.to(rig.address);
  await rig.startRunner('writer', { env: { REPRISE_SERVER: toServer.address } });
  const parts = Array.from(
    { length: PARTS },
    (_, part) => `seq ${part * PART + 1} ${(part + 1) * PART}; sleep 0.3`,
  );
  const jobs = { work: { steps: [{ run: parts.join('\n') }] } };
  const project = await rig.project('log', { '.reprise.yml': JSON.stringify({ version: 1, jobs }) });
  const number = await rig.push(project, project.head);
  await rig.until('log', number, (build) => (build.jobs[0]?.attempt ?? 0) > 0);

  const cuts = { done: 0 };
  const everyBytes = (PARTS * 3_400_000) / times(30, 120);
  const viewers = Array.from({ length: 5 }, () => new Watcher(toViewers.address, ADMIN_TOKEN));
  const logs = viewers.map((viewer, at) => {
    const log = viewer.log(`log:log/${number}/work/1`, {
      onChunk() {
        if (at !== 0 || log.bytes().length < cuts.done * everyBytes) return;
        cuts.done += 1;
        toServer.cut();
        if (cuts.done % 3 === 0) toViewers.cut();
        else viewers[cuts.done % viewers.length]?.cut();
      },
    });
    return log;
  });
  const build = await rig.ended('log', number);
  expect(build).toMatchObject({ status: 'passed', jobs: [{ attempt: 1 }] });
  const stored = Buffer.from(await rig.log('log', number, 'work'));
  const start = build.jobs[0]?.steps[0]?.logOffset ?? 0;
  const expected = Array.from({ length: PARTS * PART }, (_, line) => `${line + 1}\n`).join('');
  expect(sha256(stored.subarray(start))).toBe(sha256(expected));
  const seen = await Promise.all(logs.map(({ ended }) => ended));
  expect(seen.map(sha256)).toEqual(viewers.map(() => sha256(stored)));
  expect(cuts.done).toBeGreaterThanOrEqual(times(20, 100));
  for (const viewer of viewers) viewer[Symbol.dispose]();
});
