import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Rig } from '../rig/reprise.ts';

const pipelineOf = (steps: object[]) => JSON.stringify({ version: 1, jobs: { work: { steps } } });

test("a runner killed in a step leads to attempt 2 and a passed build; attempt 1's log is still there", async () => {
  await using rig = await Rig.start();
  const { token } = await rig.api<{ token: string }>('POST', '/api/runners', {
    name: 'mortal',
    labels: ['linux'],
  });
  const first = rig.restartRunner('mortal', token);
  const project = await rig.project('killed', {
    '.reprise.yml': pipelineOf([{ run: `echo "attempt $REPRISE_ATTEMPT"; ${rig.puppet('hold')}` }]),
  });
  const number = await rig.push(project, project.head);
  await rig.logHas('killed', number, 'work', 'hold waits');
  await first.kill();
  rig.restartRunner('mortal', token);
  await rig.until('killed', number, (build) => build.jobs[0]?.attempt === 2);
  await rig.logHas('killed', number, 'work', 'hold waits');
  rig.release('hold');
  const build = await rig.ended('killed', number);
  expect(build).toMatchObject({
    status: 'passed',
    jobs: [
      {
        attempt: 2,
        attempts: [
          { number: 1, status: 'errored' },
          { number: 2, status: 'passed' },
        ],
      },
    ],
  });
  expect(await rig.log('killed', number, 'work', 1)).toMatch(/attempt 1\nhold waits\n/);
  expect(await rig.log('killed', number, 'work', 2)).toMatch(/attempt 2\nhold waits\nhold goes on\n/);
});

test('a runner that never comes back is given up when its lease ends, and another takes the job', async () => {
  await using rig = await Rig.start();
  const first = await rig.startRunner('mortal');
  const project = await rig.project('killed', { '.reprise.yml': pipelineOf([{ run: rig.puppet('hold') }]) });
  const number = await rig.push(project, project.head);
  await rig.logHas('killed', number, 'work', 'hold waits');
  await first.kill();
  rig.release('hold');
  await rig.startRunner('heir');
  const build = await rig.ended('killed', number);
  expect(build).toMatchObject({ status: 'passed', jobs: [{ attempt: 2, runner: 'heir' }] });
});

test('a server killed while a build runs elsewhere loses no build and no byte of its log, at attempt 1', async () => {
  await using rig = await Rig.start();
  await rig.startRunner('steady');
  const lines =
    'i=0; while [ $i -lt 20000 ]; do echo "line $i of a log that must stay whole"; i=$((i+1)); done';
  const project = await rig.project('survivor', {
    '.reprise.yml': pipelineOf([{ run: `${lines}; ${rig.puppet('hold')}` }, { run: lines }]),
  });
  const number = await rig.push(project, project.head);
  await rig.logHas('survivor', number, 'work', 'line 5000 ');
  await rig.server.kill();
  rig.release('hold');
  await rig.startServer();
  const build = await rig.ended('survivor', number);
  expect(build).toMatchObject({
    status: 'passed',
    jobs: [{ attempt: 1, attempts: [{ number: 1, status: 'passed' }] }],
  });
  const log = await rig.log('survivor', number, 'work');
  const expected = Array.from({ length: 20_000 }, (_, i) => `line ${i} of a log that must stay whole\n`).join(
    '',
  );
  const [start] = build.jobs[0]?.steps ?? [];
  expect(
    sha256(
      Buffer.from(log)
        .subarray(start?.logOffset ?? 0)
        .toString(),
    ),
  ).toBe(sha256(`${expected}hold waits\nhold goes on\n${expected}`));
});

test('`reprise up` killed whole and started again finishes the build without waiting for a lease', async () => {
  // Unscaled times: a lease would take 150 s, longer than this test may.
  await using rig = await Rig.start({ command: 'up', env: { REPRISE_TEST_TIME_SCALE: '1' } });
  const project = await rig.project('phoenix', { '.reprise.yml': pipelineOf([{ run: rig.puppet('hold') }]) });
  const number = await rig.push(project, project.head);
  await rig.logHas('phoenix', number, 'work', 'hold waits');
  await rig.server.kill();
  rig.release('hold');
  await rig.startServer();
  const build = await rig.ended('phoenix', number);
  expect(build).toMatchObject({ status: 'passed', jobs: [{ attempt: 2 }] });
});

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
