import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Rig } from '../rig/reprise.ts';

const PIPELINE = `version: 1
jobs:
  test:
    steps:
      - { name: Unit tests, run: 'echo "testing $REPRISE_COMMIT"; test "$(cat greeting.txt)" != ""' }
  package:
    needs: [test]
    steps:
      - run: mkdir dist && cp greeting.txt dist/
      - { name: Stamp, run: 'echo "$REPRISE_VERSION" > dist/VERSION' }
    artifact: { name: hello, paths: [dist] }
`;

test('a pushed commit is built, its artifact downloaded, rebuilt to the same bytes, and an old commit built', async () => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const project = await rig.project('hello', { '.reprise.yml': PIPELINE, 'greeting.txt': 'hello\n' });
  project.repository.git('tag', 'v1.0.0');
  const head = project.repository.commit('Greet the world', { 'greeting.txt': 'hello, world\n' });

  const number = await rig.push(project, head, { before: project.head });
  const build = await rig.ended('hello', number);
  expect(build).toMatchObject({
    status: 'passed',
    commit: head,
    branch: 'main',
    version: `1.0.0-1-g${head.slice(0, 12)}`,
    trigger: { kind: 'push', by: 'ada' },
    jobs: [
      {
        name: 'test',
        status: 'passed',
        attempt: 1,
        steps: [{ name: 'Unit tests', status: 'passed', exitCode: 0 }],
      },
      {
        name: 'package',
        status: 'passed',
        needs: ['test'],
        steps: [{ exitCode: 0 }, { name: 'Stamp', exitCode: 0 }],
      },
    ],
    artifacts: [{ name: 'hello', fileName: `hello-1.0.0-1-g${head.slice(0, 12)}.tar.gz` }],
  });
  expect(await rig.log('hello', number, 'test')).toContain(`testing ${head}`);

  const [artifact] = build.artifacts;
  const download = await rig.fetch(`/api/projects/hello/builds/${number}/artifacts/${artifact?.fileName}`);
  const digest = createHash('sha256').update(Buffer.from(await download.arrayBuffer()));
  expect(digest.digest('hex')).toBe(artifact?.sha256);

  const again = await rig.api<{ number: number }>('POST', `/api/projects/hello/builds/${number}/rebuild`, {
    reason: 'Is it the same?',
  });
  const rebuild = await rig.ended('hello', again.number);
  expect(rebuild).toMatchObject({ status: 'passed', rebuildOf: number, version: build.version });
  expect(rebuild.artifacts[0]).toMatchObject({
    sha256: artifact?.sha256,
    treeSha256: artifact?.treeSha256,
    reproducibility: { state: 'identical', comparedWith: number, differences: [] },
  });

  const asked = await rig.api<{ number: number }>('POST', '/api/projects/hello/builds', {
    ref: project.head.slice(0, 10),
    reason: 'How was it then?',
  });
  const old = await rig.ended('hello', asked.number);
  expect(old).toMatchObject({
    status: 'passed',
    commit: project.head,
    version: '1.0.0',
    trigger: { kind: 'manual', reason: 'How was it then?' },
  });
  expect(old.artifacts[0]?.treeSha256).not.toBe(artifact?.treeSha256);
});

test('a rebuild really runs again: its log is new', async () => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const pipeline = 'version: 1\njobs:\n  now:\n    steps:\n      - run: date +%s%N\n';
  const project = await rig.project('clock', { '.reprise.yml': pipeline });
  const first = await rig.push(project, project.head);
  await rig.ended('clock', first);
  const { number } = await rig.api<{ number: number }>(
    'POST',
    `/api/projects/clock/builds/${first}/rebuild`,
    {},
  );
  await rig.ended('clock', number);
  expect(await rig.log('clock', number, 'now')).not.toBe(await rig.log('clock', first, 'now'));
});

test('a build that is made different on purpose says so and names the file', async () => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const pipeline = `version: 1
jobs:
  pack:
    steps: [{ run: 'mkdir out; echo same > out/same; date +%s%N > out/when' }]
    artifact: { name: clock, paths: [out] }
`;
  const project = await rig.project('clock', { '.reprise.yml': pipeline });
  const first = await rig.push(project, project.head);
  await rig.ended('clock', first);
  const { number } = await rig.api<{ number: number }>(
    'POST',
    `/api/projects/clock/builds/${first}/rebuild`,
    {},
  );
  const rebuild = await rig.ended('clock', number);
  expect(rebuild.artifacts[0]?.reproducibility).toMatchObject({
    state: 'different',
    comparedWith: first,
    differences: [{ path: 'out/when', change: 'changed' }],
  });
});

test('a commit whose branch was force-pushed away and deleted builds again', async () => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const pipeline = `version: 1
jobs:
  pack:
    steps: [{ run: cat file }]
    artifact: { name: kept, paths: [file] }
`;
  const project = await rig.project('kept', { '.reprise.yml': pipeline, file: 'main\n' });
  const { repository } = project;
  repository.git('checkout', '--quiet', '-b', 'topic');
  const lost = repository.commit('Doomed', { file: 'doomed\n' });
  const first = await rig.ended('kept', await rig.push(project, lost, { branch: 'topic' }));

  repository.git('checkout', '--quiet', 'main');
  repository.git('branch', '--delete', '--force', 'topic');
  repository.git('reflog', 'expire', '--expire=now', '--all');
  repository.git('gc', '--quiet', '--prune=now');
  expect(() => repository.git('cat-file', '-e', lost)).toThrow();
  // A push elsewhere makes the server fetch, and see that the branch is gone.
  const next = repository.commit('Next', { file: 'next\n' });
  await rig.ended('kept', await rig.push(project, next, { before: project.head }));

  const rebuilt = await rig.api<{ number: number }>(
    'POST',
    `/api/projects/kept/builds/${first.number}/rebuild`,
    {},
  );
  const bySha = await rig.api<{ number: number }>('POST', '/api/projects/kept/builds', { ref: lost });
  for (const { number } of [rebuilt, bySha]) {
    const build = await rig.ended('kept', number);
    expect(build).toMatchObject({ status: 'passed', commit: lost });
    expect(build.artifacts[0]?.sha256).toBe(first.artifacts[0]?.sha256);
  }
});

test('artifacts of a needed job are unpacked into the workspace before the first step', async () => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const pipeline = `version: 1
jobs:
  make:
    steps: [{ run: 'mkdir out; echo made > out/thing' }]
    artifact: { name: thing, paths: [out] }
  use:
    needs: [make]
    inputs: [thing]
    steps: [{ run: cat out/thing }]
`;
  const project = await rig.project('chain', { '.reprise.yml': pipeline });
  const number = await rig.push(project, project.head);
  expect(await rig.ended('chain', number)).toMatchObject({ status: 'passed' });
  expect(await rig.log('chain', number, 'use')).toContain('made\n');
});

test('a failed step fails its job, skips the rest and the jobs that need it, and says why', async () => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const pipeline = `version: 1
jobs:
  test:
    steps:
      - run: echo fine
      - { name: Break, run: exit 3 }
      - run: echo never
  package: { needs: [test], steps: [{ run: echo never }] }
`;
  const project = await rig.project('broken', { '.reprise.yml': pipeline });
  const build = await rig.ended('broken', await rig.push(project, project.head));
  expect(build).toMatchObject({
    status: 'failed',
    jobs: [
      {
        status: 'failed',
        steps: [
          { status: 'passed', exitCode: 0 },
          { name: 'Break', status: 'failed', exitCode: 3 },
          { status: 'skipped', exitCode: null },
        ],
      },
      { name: 'package', status: 'skipped' },
    ],
  });
  expect(build.why).toMatch(/Break.*code 3/);
});

test('a cancelled build ends its step by TERM, and later steps never start', async () => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const steps = JSON.stringify([
    { run: `trap 'echo told to stop; exit 7' TERM; ${rig.puppet('hold')}` },
    { run: 'echo never' },
  ]);
  const project = await rig.project('slow', {
    '.reprise.yml': `version: 1\njobs: { hold: { steps: ${steps} } }\n`,
  });
  const number = await rig.push(project, project.head);
  await rig.logHas('slow', number, 'hold', 'hold waits');
  await rig.api('POST', `/api/projects/slow/builds/${number}/cancel`, {});
  const build = await rig.ended('slow', number);
  expect(build).toMatchObject({
    status: 'cancelled',
    jobs: [{ status: 'cancelled', steps: [{}, { startedAt: null }] }],
  });
  const log = await rig.log('slow', number, 'hold');
  expect(log).toContain('told to stop');
  expect(log).not.toContain('never\n');
});
