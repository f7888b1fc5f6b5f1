import { expect, test } from 'vitest';
import { Rig } from '../rig/reprise.ts';

const TRUE = 'version: 1\njobs: { only: { steps: [{ run: "true" }] } }\n';

test('a pipeline file with errors is a failed build with the located errors as its log', async () => {
  await using rig = await Rig.start();
  const file = 'version: 1\njobs:\n  test:\n    stepz:\n      - run: echo\n';
  const project = await rig.project('typo', { '.reprise.yml': file });
  const number = await rig.push(project, project.head);
  const build = await rig.ended('typo', number);
  expect(build).toMatchObject({ status: 'failed', jobs: [{ name: 'pipeline', status: 'failed' }] });
  expect(build.why).toMatch(/^\.reprise\.yml:\d+:\d+: /);
  expect(await rig.log('typo', number, 'pipeline')).toMatch(/\.reprise\.yml:4:5: .*stepz.*steps/);
});

test('no pipeline file anywhere is a failed build that says how to add one', async () => {
  await using rig = await Rig.start();
  const project = await rig.project('bare', { README: 'nothing here\n' });
  const build = await rig.ended('bare', await rig.push(project, project.head));
  expect(build.status).toBe('failed');
  expect(build.why).toMatch(/\.reprise\.yml/);
  expect(build.why).toMatch(/reprise init/);
});

test("a commit older than the pipeline file is built with the default branch's, and says so", async () => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const project = await rig.project('young', { README: 'before\n' });
  project.repository.commit('Add the pipeline', { '.reprise.yml': TRUE });
  const { number } = await rig.api<{ number: number }>('POST', '/api/projects/young/builds', {
    ref: project.head,
  });
  const build = await rig.ended('young', number);
  expect(build.status).toBe('passed');
  expect(build.pipelineFrom).toContain('main');
});

test('a commit that does not exist is refused with the nearest refs', async () => {
  await using rig = await Rig.start();
  const project = await rig.project('near', { '.reprise.yml': TRUE });
  project.repository.git('branch', 'release/1.2');
  const response = await rig.fetch('/api/projects/near/builds', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ref: 'relase/1.2' }),
  });
  expect(response.status).toBe(422);
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  expect(await response.json()).toMatchObject({
    code: 'unknown-ref',
    nearest: expect.arrayContaining(['release/1.2']),
  });
});

test("a repository that cannot be fetched is an errored build with git's own words", async () => {
  await using rig = await Rig.start();
  const project = await rig.project(
    'gone',
    { '.reprise.yml': TRUE },
    { cloneUrl: `file://${rig.path('nowhere')}` },
  );
  const build = await rig.ended('gone', await rig.push(project, project.head));
  expect(build.status).toBe('errored');
  expect(build.why).toMatch(/does not (exist|appear)/);
});

test.each([
  ['matches nothing', 'true', 'missing/*.js', /missing\/\*\.js/],
  ['is a pipe', 'mkfifo pipe', 'pipe', /pipe/],
  ['is a link that escapes', 'ln -s /etc/passwd leak', 'leak', /leak/],
  ['holds a link that escapes', 'mkdir out && ln -s ../../etc/passwd out/leak', 'out', /out\/leak/],
])('an artifact path that %s fails the job and is named', async (_what, run, path, names) => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const job = { steps: [{ run }], artifact: { name: 'bad', paths: [path] } };
  const project = await rig.project('bad', {
    '.reprise.yml': JSON.stringify({ version: 1, jobs: { pack: job } }),
  });
  const build = await rig.ended('bad', await rig.push(project, project.head));
  expect(build).toMatchObject({
    status: 'failed',
    artifacts: [],
    jobs: [{ status: 'failed', steps: [{ status: 'passed' }] }],
  });
  expect(build.jobs[0]?.why).toMatch(names);
});

test('an artifact path that leaves the workspace is an error of the pipeline file', async () => {
  await using rig = await Rig.start();
  const job = { steps: [{ run: 'true' }], artifact: { name: 'bad', paths: ['../secrets'] } };
  const project = await rig.project('bad', {
    '.reprise.yml': JSON.stringify({ version: 1, jobs: { pack: job } }),
  });
  const build = await rig.ended('bad', await rig.push(project, project.head));
  expect(build.status).toBe('failed');
  expect(build.why).toMatch(/paths.*leaves/);
});

test('a malformed request is a problem that names the field', async () => {
  await using rig = await Rig.start();
  const response = await rig.fetch('/api/projects', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Not A Name', cloneUrl: 'https://example.test/x.git' }),
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    status: 400,
    code: 'bad-request',
    errors: [{ field: 'name' }],
  });
});

test('two live runners with one token: the second is refused, the same instance is welcome back', async () => {
  await using rig = await Rig.start();
  const { token } = await rig.api<{ token: string }>('POST', '/api/runners', {
    name: 'twin',
    labels: ['linux'],
  });
  const first = rig.restartRunner('first', token);
  await first.line(/ready|connected|registered/i);
  const second = rig.restartRunner('second', token);
  expect(await second.line(/already|another/i)).toMatch(/runner/i);
  await first.kill();
  const back = rig.restartRunner('first', token);
  await back.line(/ready|connected|registered/i);
});
