import { newId } from '@reprise/server/db/id.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PuppetRunner, sha256 } from '../../rig/puppet-runner.ts';
import { type HereProject, ServerHere } from '../../rig/server-here.ts';

const PIPELINE = `version: 1
jobs:
  test:
    steps: [run: 'true']
  lint:
    steps: [run: 'true']
  package:
    needs: [test, lint]
    steps: [run: 'true']
  publish:
    needs: [package]
    steps: [run: 'true']
`;

let server: ServerHere;
let runner: PuppetRunner;

beforeAll(async () => {
  server = await ServerHere.start();
  runner = await PuppetRunner.connect(server);
});
afterAll(() => server[Symbol.asyncDispose]());

/** A project of its own with one planned build, so that a test's jobs are the only ones its runner can claim. */
async function planned(): Promise<{ project: HereProject; number: number; path: string }> {
  const label = newId();
  runner = await PuppetRunner.connect(server, { labels: ['linux', label] });
  const text = PIPELINE.replaceAll('    steps', `    runs-on: [linux, ${label}]\n    steps`);
  const project = await server.project(`p-${label}`, { '.reprise.yml': text });
  const { body } = await server.admin('POST', `/api/projects/${project.name}/builds`, { ref: 'main' });
  await server.planned(project.name, body.number);
  return { project, number: body.number, path: `/api/projects/${project.name}/builds/${body.number}` };
}

const statuses = (body: { jobs: { name: string; status: string }[] }) =>
  Object.fromEntries(body.jobs.map(({ name, status }) => [name, status]));

describe('putting a build first', () => {
  test('lets its jobs go before older ones, is recorded, and is refused where nothing of it waits', async () => {
    const { project, number, path } = await planned();
    const { body: newer } = await server.admin('POST', `/api/projects/${project.name}/builds`, {
      ref: 'main',
    });
    await server.planned(project.name, newer.number);
    const newerPath = `/api/projects/${project.name}/builds/${newer.number}`;
    const put = await server.admin('POST', `${newerPath}/prioritize`, { reason: 'the shop is down' });
    expect(put).toMatchObject({ status: 200, body: { number: newer.number, status: 'queued' } });
    const order = [];
    for (let jobs = 0; jobs < 5; jobs += 1) {
      const work = await runner.take();
      order.push(`${work.build} ${work.job.name}`);
      await runner.finish(work);
    }
    const [first, second] = [newer.number, number];
    expect(order).toEqual([
      `${first} test`,
      `${first} lint`,
      `${first} package`,
      `${first} publish`,
      `${second} test`,
    ]);
    expect(await server.admin('POST', `${newerPath}/prioritize`)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('has nothing that waits') },
    });
    expect((await server.admin('POST', `${path}/prioritize`)).status).toBe(200);
    const { body } = await server.admin('GET', `/api/audit?project=${project.name}`);
    expect(body.items[1]).toMatchObject({ action: 'build.prioritize', reason: 'the shop is down' });
  });
});

describe('cancelling', () => {
  test('a build that waits for a runner ends it at once', async () => {
    const { path } = await planned();
    const answer = await server.admin('POST', `${path}/cancel`);
    expect(answer).toMatchObject({
      status: 202,
      body: { status: 'cancelled', why: 'cancelled by operator', finishedAt: expect.any(String) },
    });
    expect(new Set(Object.values(statuses(answer.body)))).toEqual(new Set(['cancelled']));
    expect(await server.admin('POST', `${path}/cancel`)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('has ended: it was cancelled') },
    });
  });

  test('a build that runs is heard by its standing runner, and ends with it', async () => {
    const { path, project, number } = await planned();
    const work = await runner.take();
    const standing = runner.renew([work], { immediate: false });
    const { body } = await server.admin('POST', `${path}/cancel`);
    expect(body.status).toBe('running');
    expect(statuses(body)).toMatchObject({ package: 'cancelled', publish: 'cancelled' });
    expect((await standing).body.cancel).toEqual([work.attempt]);
    await runner.finish(work, { status: 'cancelled' });
    const ended = await server.until(project.name, number, ({ finishedAt }) => finishedAt !== null);
    expect(ended).toMatchObject({ status: 'cancelled', why: 'cancelled by operator' });
  });

  test('a build that is not planned yet keeps it from being planned', async () => {
    const { project } = await planned();
    await server.services.planner.stop();
    const asked = await server.admin('POST', `/api/projects/${project.name}/builds`, { ref: 'main' });
    const path = `/api/projects/${project.name}/builds/${asked.body.number}`;
    expect((await server.admin('POST', `${path}/cancel`)).body).toMatchObject({
      status: 'cancelled',
      jobs: [],
    });
    await server.startAgain();
    const later = await server.admin('POST', `/api/projects/${project.name}/builds`, { ref: 'main' });
    await server.planned(project.name, later.body.number);
    expect((await server.admin('GET', path)).body).toMatchObject({ status: 'cancelled', jobs: [] });
  });
});

describe('retrying a job', () => {
  test('that failed queues it and what was skipped because of it; the first attempt stays', async () => {
    const { path, project, number } = await planned();
    const [first, second] = [await runner.take(), await runner.take()];
    await runner.log(first, 0, 'no\n');
    await runner.finish(second);
    await runner.finish(first, {
      status: 'failed',
      why: 'step true failed with exit code 1',
      logSize: 3,
      logSha256: sha256('no\n'),
    });
    const failed = await server.until(project.name, number, ({ finishedAt }) => finishedAt !== null);
    expect(statuses(failed)).toMatchObject({ package: 'skipped', publish: 'skipped' });

    const answer = await server.admin('POST', `${path}/jobs/${first.job.name}/retry`);
    expect(answer).toMatchObject({ status: 202, body: { status: 'running', finishedAt: null, why: '' } });
    expect(statuses(answer.body)).toMatchObject({
      [first.job.name]: 'queued',
      [second.job.name]: 'passed',
      package: 'queued',
      publish: 'queued',
    });
    const again = await runner.take();
    expect(again).toMatchObject({ attemptNumber: 2, job: { name: first.job.name } });
    await runner.finish(again);
    for (const name of ['package', 'publish']) {
      const next = await runner.take();
      expect(next.job.name).toBe(name);
      await runner.finish(next);
    }
    const passed = await server.until(project.name, number, ({ finishedAt }) => finishedAt !== null);
    expect(passed.status).toBe('passed');
    expect(passed.jobs.find(({ name }) => name === first.job.name)?.attempts).toMatchObject([
      { number: 1, status: 'failed', logSize: 3 },
      { number: 2, status: 'passed' },
    ]);
  });

  test('of a cancelled build brings back all that was behind it', async () => {
    const { path } = await planned();
    await server.admin('POST', `${path}/cancel`);
    expect((await server.admin('POST', `${path}/jobs/package/retry`)).body.detail).toContain('needs test');
    const { body } = await server.admin('POST', `${path}/jobs/test/retry`);
    expect(statuses(body)).toEqual({
      test: 'queued',
      lint: 'cancelled',
      package: 'skipped',
      publish: 'skipped',
    });
    const second = await server.admin('POST', `${path}/jobs/lint/retry`);
    expect(statuses(second.body)).toEqual({
      test: 'queued',
      lint: 'queued',
      package: 'queued',
      publish: 'queued',
    });
  });

  test('is refused while it has not ended, when it passed, and where there is none', async () => {
    const { path } = await planned();
    expect((await server.admin('POST', `${path}/jobs/test/retry`)).status).toBe(409);
    const work = await runner.take();
    await runner.finish(work);
    expect((await server.admin('POST', `${path}/jobs/${work.job.name}/retry`)).status).toBe(409);
    expect((await server.admin('POST', `${path}/jobs/nothing/retry`)).status).toBe(404);
  });
});

describe('a rebuild', () => {
  test('takes the recorded plan, version and tags, whatever the repository says now', async () => {
    const { path, project } = await planned();
    const { repository } = project;
    const before = (await server.admin('GET', path)).body;
    repository.git('tag', 'v9.9');
    repository.commit('Other pipeline', {
      '.reprise.yml': "version: 1\njobs: { other: { steps: [run: 'x'] } }\n",
    });
    await server.admin('POST', `/api/projects/${project.name}/builds`, { ref: 'main' });
    const asked = await server.admin('POST', `${path}/rebuild`, { reason: 'same again?' });
    expect(asked).toMatchObject({
      status: 201,
      body: {
        rebuildOf: before.number,
        commit: before.commit,
        version: before.version,
        trigger: { kind: 'rebuild', by: 'operator', reason: 'same again?' },
      },
    });
    const again = await server.planned(project.name, asked.body.number);
    expect(again).toMatchObject({ version: before.version, pipelineFrom: before.pipelineFrom });
    expect(statuses(again)).toEqual(statuses(before));
    const rows = await server.services.db
      .selectFrom('builds')
      .select(['number', 'plan', 'plan_sha256', 'tags'])
      .where('commit_sha', '=', before.commit)
      .orderBy('number')
      .execute();
    expect(rows.map(({ number, ...recorded }) => recorded)).toEqual([rows[0], rows[0]].map(withoutNumber));
  });

  test('of a build without a plan is planned from the same commit again', async () => {
    const wrong = await server.project('wrong', { '.reprise.yml': 'version: 1\n' });
    const { body } = await server.admin('POST', '/api/projects/wrong/builds', { ref: 'main' });
    expect((await server.planned('wrong', body.number)).status).toBe('failed');
    wrong.repository.commit('Mend it', { '.reprise.yml': PIPELINE });
    const again = await server.admin('POST', `/api/projects/wrong/builds/${body.number}/rebuild`);
    expect(await server.planned('wrong', again.body.number)).toMatchObject({
      status: 'failed',
      commit: wrong.head,
      jobs: [{ name: 'pipeline' }],
    });
  });

  test('of a build that is not there, or not planned yet, is refused', async () => {
    const { project } = await planned();
    const builds = `/api/projects/${project.name}/builds`;
    expect((await server.admin('POST', `${builds}/99/rebuild`, {})).status).toBe(404);
    await server.services.planner.stop();
    const { body } = await server.admin('POST', builds, { ref: 'main' });
    expect((await server.admin('POST', `${builds}/${body.number}/rebuild`, {})).status).toBe(409);
    await server.startAgain();
  });
});

test('only what waits for approval can be approved', async () => {
  const { path } = await planned();
  const answer = await server.admin('POST', `${path}/approve`);
  expect(answer).toMatchObject({ status: 409, body: { detail: expect.stringContaining('does not wait') } });
});

function withoutNumber<Row extends { number: number }>(row: Row | undefined) {
  const { number: _, ...rest } = row ?? { number: 0 };
  return rest;
}
