import { rmSync } from 'node:fs';
import type { Build } from '@reprise/server/api.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deliver } from '../../rig/github.ts';
import { type HereProject, ServerHere } from '../../rig/server-here.ts';

const PIPELINE = `version: 1
jobs:
  test:
    steps:
      - run: 'true'
  package:
    needs: [test]
    steps:
      - { name: Pack it, run: 'true' }
`;

let server: ServerHere;

beforeAll(async () => {
  server = await ServerHere.start();
});
afterAll(() => server[Symbol.asyncDispose]());

describe('a pushed commit', () => {
  test('is planned from its own pipeline file', async () => {
    const shop = await server.project('shop', { '.reprise.yml': PIPELINE });
    const build = await server.planned('shop', await server.push(shop, shop.head));
    expect(build).toMatchObject({
      status: 'queued',
      commit: shop.head,
      branch: 'main',
      version: `0.0.0-1-g${shop.head.slice(0, 12)}`,
      pipelineFrom: 'commit',
      why: 'there is no runner: add one',
      jobs: [
        {
          name: 'test',
          status: 'queued',
          needs: [],
          attempt: 0,
          attempts: [],
          why: 'there is no runner: add one',
        },
        { name: 'package', status: 'queued', needs: ['test'], why: 'waits for test' },
      ],
      artifacts: [],
    });
    expect(build.jobs[1]?.steps).toEqual([
      {
        name: 'Pack it',
        status: 'queued',
        exitCode: null,
        startedAt: null,
        finishedAt: null,
        logOffset: null,
      },
    ]);
  });

  test('of an annotated tag is that tag and its commit', async () => {
    const tagged = await server.project('tagged', { '.reprise.yml': PIPELINE });
    tagged.repository.git('tag', '-a', 'v1.2.3', '-m', 'Release');
    const payload = {
      ref: 'refs/tags/v1.2.3',
      after: tagged.repository.git('rev-parse', 'v1.2.3'),
      commits: [],
    };
    const number = await server.push(tagged, tagged.head, { payload });
    expect(await server.planned('tagged', number)).toMatchObject({
      commit: tagged.head,
      tag: 'v1.2.3',
      branch: null,
      version: '1.2.3',
      trigger: { kind: 'tag' },
    });
  });

  test('is pinned, so that it builds again when its branch and its repository are gone', async () => {
    const gone = await server.project('gone', { '.reprise.yml': PIPELINE });
    const lost = gone.repository.commit('Lost', { file: '1' });
    const first = await server.push(gone, lost);
    await server.planned('gone', first);
    gone.repository.git('reset', '--hard', gone.head);
    const next = gone.repository.commit('Instead', { file: '2' });
    await server.planned('gone', await server.push(gone, next, { payload: { forced: true } }));
    rmSync(gone.repository.path, { recursive: true });

    const asked = await server.admin('POST', '/api/projects/gone/builds', { ref: lost.slice(0, 8) });
    expect(asked.status).toBe(201);
    const again = await server.admin('POST', `/api/projects/gone/builds/${first}/rebuild`, {});
    for (const { body } of [asked, again]) {
      expect(await server.planned('gone', body.number)).toMatchObject({ commit: lost, status: 'queued' });
    }
  });

  test('delivered while nobody planned is planned after the start', async () => {
    const shop = await server.project('waiting', { '.reprise.yml': PIPELINE });
    await server.services.planner.stop();
    const number = await server.push(shop, shop.head);
    expect(await server.build('waiting', number)).toMatchObject({
      status: 'queued',
      jobs: [],
      version: null,
    });
    await server.startAgain();
    expect((await server.planned('waiting', number)).jobs).toHaveLength(2);
  });

  test('is planned after those that were pushed before it', async () => {
    const shop = await server.project('ordered', { '.reprise.yml': PIPELINE });
    const commits = Array.from({ length: 6 }, (_, at) => shop.repository.commit(`${at}`, { at: `${at}` }));
    const numbers = [];
    for (const commit of commits) numbers.push(await server.push(shop, commit));
    await Promise.all(numbers.map((number) => server.planned('ordered', number)));
    const jobs = await server.services.db
      .selectFrom('jobs')
      .innerJoin('builds', 'builds.id', 'jobs.build_id')
      .innerJoin('projects', 'projects.id', 'builds.project_id')
      .select('builds.number')
      .where('projects.name', '=', 'ordered')
      .where('jobs.position', '=', 0)
      .orderBy('jobs.seq')
      .execute();
    expect(jobs.map(({ number }) => number)).toEqual(numbers);
  });
});

describe('a pipeline file', () => {
  test('with errors fails the build, with every error located in its log', async () => {
    const text = 'version: 1\njobs:\n  test:\n    step:\n      - run: x\n    needs: [nobody]\n';
    const wrong = await server.project('wrong', { '.reprise.yml': text });
    const number = await server.push(wrong, wrong.head);
    const build = await server.planned('wrong', number);
    expect(build).toMatchObject({ status: 'failed', version: expect.any(String), artifacts: [] });
    expect(build.why).toMatch(/^\.reprise\.yml:3:3: .* \(and 1 more, see the log\)$/);
    expect(build.jobs).toMatchObject([
      {
        name: 'pipeline',
        status: 'failed',
        attempt: 1,
        attempts: [{ number: 1, status: 'failed', runner: 'server' }],
      },
    ]);
    const shown = await server.log('wrong', number, 'pipeline');
    expect(shown).toContain('.reprise.yml:4:5: ');
    expect(build.jobs[0]?.logSize).toBe(Buffer.byteLength(shown));
    const retried = await server.admin('POST', `/api/projects/wrong/builds/${number}/jobs/pipeline/retry`);
    expect(retried.status).toBe(409);
  });

  test('that is nowhere fails the build with how to add one', async () => {
    const bare = await server.project('bare', { README: 'Nothing' });
    const number = await server.push(bare, bare.head);
    const build = await server.planned('bare', number);
    expect(build.status).toBe('failed');
    expect(build.why).toMatch(/no \.reprise\.yml .*npx reprise init/);
    expect(await server.log('bare', number, 'pipeline')).toContain(build.why);
  });

  test('younger than the commit is read on the default branch, which the build says', async () => {
    const young = await server.project('young', { README: 'Old' });
    // Fetched once, before the file is there: the mirror's copy of the branch is then old.
    await server.planned('young', await server.push(young, young.head));
    const now = young.repository.commit('Add it', { '.reprise.yml': PIPELINE });
    const { body } = await server.admin('POST', '/api/projects/young/builds', { ref: young.head });
    const build = await server.planned('young', body.number);
    expect(build).toMatchObject({ commit: young.head, status: 'queued' });
    expect(build.pipelineFrom).toBe(`branch main (${now.slice(0, 12)})`);
  });

  test('of another ref is used where asked for', async () => {
    const two = await server.project('two', { '.reprise.yml': PIPELINE });
    two.repository.git('checkout', '--quiet', '-b', 'next');
    const other = PIPELINE.replace('package', 'publish');
    const next = two.repository.commit('Other', { '.reprise.yml': other });
    const asked = { ref: 'main', pipeline: 'next', reason: 'to see' };
    const { body } = await server.admin('POST', '/api/projects/two/builds', asked);
    const build = await server.planned('two', body.number);
    expect(build).toMatchObject({
      commit: two.head,
      pipelineFrom: `branch next (${next.slice(0, 12)})`,
      trigger: { kind: 'manual', by: 'operator', reason: 'to see' },
    });
    expect(build.jobs.map(({ name }) => name)).toEqual(['test', 'publish']);
  });
});

describe('a filter', () => {
  const filtered = `${PIPELINE}on:\n  push: { branches: [main], paths: ['!docs/**'] }\n`;
  let project: HereProject;
  beforeAll(async () => {
    project = await server.project('filtered', { '.reprise.yml': filtered });
    await server.planned('filtered', await server.push(project, project.head));
  });

  test('that does not match skips the build and says why; the list leaves it out', async () => {
    const number = await server.push(project, project.head, { branch: 'topic' });
    const build = await server.planned('filtered', number);
    expect(build).toMatchObject({
      status: 'skipped',
      jobs: [],
      why: expect.stringContaining('Branch topic'),
    });
    const numbers = async (query: string) => {
      const { body } = await server.admin('GET', `/api/projects/filtered/builds${query}`);
      return body.items.map((item: Build) => item.number);
    };
    expect(await numbers('')).not.toContain(number);
    expect(await numbers('?status=skipped')).toContain(number);
  });

  test('on paths is asked about what the delivery lists', async () => {
    const commit = project.repository.commit('Docs', { 'docs/a.md': 'a' });
    const commits = [{ added: ['docs/a.md'], modified: [], removed: [] }];
    const number = await server.push(project, commit, { payload: { before: project.head, commits } });
    expect(await server.planned('filtered', number)).toMatchObject({
      status: 'skipped',
      why: expect.stringContaining('on.push.paths'),
    });
  });

  test('on paths is asked about what the mirror sees where the delivery does not list it', async () => {
    const before = project.repository.git('rev-parse', 'HEAD');
    const commit = project.repository.commit('More docs', { 'docs/b.md': 'b' });
    const payload = { before, forced: true, commits: [] };
    const docs = await server.planned('filtered', await server.push(project, commit, { payload }));
    expect(docs.status).toBe('skipped');
    const code = project.repository.commit('Code', { 'code.ts': 'x' });
    const both = await server.planned('filtered', await server.push(project, code, { payload }));
    expect(both.status).toBe('queued');
  });

  test('holds back nothing that a person asks for', async () => {
    const commit = project.repository.commit('Nothing [skip ci]', { 'docs/c.md': 'c' });
    const skipped = await server.planned('filtered', await server.push(project, commit));
    expect(skipped).toMatchObject({ status: 'skipped', why: expect.stringContaining('[skip ci]') });
    const { body } = await server.admin('POST', '/api/projects/filtered/builds', { ref: commit });
    expect((await server.planned('filtered', body.number)).status).toBe('queued');
    const again = await server.admin('POST', `/api/projects/filtered/builds/${skipped.number}/rebuild`, {});
    expect(await server.planned('filtered', again.body.number)).toMatchObject({
      status: 'queued',
      rebuildOf: skipped.number,
      commit,
    });
  });
});

describe("a fork's pull request", () => {
  test('is planned from the base branch, and blocked until somebody says yes', async () => {
    const open = await server.project('open', { '.reprise.yml': PIPELINE });
    const { repository } = open;
    repository.git('checkout', '--quiet', '-b', 'stranger');
    const evil = 'version: 1\njobs:\n  steal:\n    steps: [run: cat /etc/shadow]\n';
    const head = repository.commit('Harmless', { '.reprise.yml': evil });
    repository.git('update-ref', 'refs/pull/3/head', head);
    repository.git('checkout', '--quiet', 'main');
    repository.git('branch', '--delete', '--force', 'stranger');
    const payload = {
      action: 'opened',
      number: 3,
      pull_request: {
        title: 'Harmless',
        head: { ref: 'stranger', sha: head, repo: null },
        base: { ref: 'main', sha: open.head, repo: { id: 1 } },
      },
      repository: { full_name: 'example/open' },
      sender: { login: 'stranger' },
    };
    await deliver({ ...open.webhook, event: 'pull_request', payload });
    const blocked = await server.planned('open', 1);
    expect(blocked).toMatchObject({
      status: 'blocked',
      commit: head,
      pipelineFrom: `branch main (${open.head.slice(0, 12)})`,
      message: 'Harmless',
      author: { name: 'Ada Example', email: 'ada@example.test' },
      why: 'waits for approval',
    });
    expect(blocked.jobs.map(({ name, status }) => [name, status])).toEqual([
      ['test', 'blocked'],
      ['package', 'blocked'],
    ]);
    const waiting = await server.admin('POST', '/api/projects/open/builds/1/rebuild', {});
    expect((await server.planned('open', waiting.body.number)).status).toBe('blocked');

    const approved = await server.admin('POST', '/api/projects/open/builds/1/approve');
    expect(approved).toMatchObject({
      status: 200,
      body: { status: 'queued', jobs: [{ status: 'queued' }, {}] },
    });
    const twice = await server.admin('POST', '/api/projects/open/builds/1/approve');
    expect(twice).toMatchObject({ status: 409, body: { detail: 'Build open #1 was approved by operator.' } });
    const again = await server.admin('POST', '/api/projects/open/builds/1/rebuild', {});
    expect((await server.planned('open', again.body.number)).status).toBe('queued');
  });
});

describe('what cannot be fetched', () => {
  test('fails a whole burst with one fetch, but for the commits that are here', async () => {
    const burst = await server.project('burst', { '.reprise.yml': PIPELINE });
    await server.planned('burst', await server.push(burst, burst.head));
    rmSync(burst.repository.path, { recursive: true });
    const commits = ['a', 'b', 'c'].map((digit) => digit.repeat(40));
    const numbers = await Promise.all(commits.map((commit) => server.push(burst, commit)));
    const here = await server.push(burst, burst.head, { branch: 'again' });
    expect((await server.planned('burst', here)).status).toBe('queued');
    for (const number of numbers) expect((await server.planned('burst', number)).status).toBe('errored');
  });

  test("ends the build errored, with git's own words; a commit that never was, too", async () => {
    const [away, here] = await Promise.all([
      server.project('away', { '.reprise.yml': PIPELINE }),
      server.project('here', { '.reprise.yml': PIPELINE }),
    ]);
    rmSync(away.repository.path, { recursive: true });
    const next = 'd'.repeat(40);
    const numbers = [await server.push(away, next), await server.push(here, next)] as const;
    const [lost, never] = await Promise.all([
      server.planned('away', numbers[0]),
      server.planned('here', numbers[1]),
    ]);
    expect(lost).toMatchObject({ status: 'errored', jobs: [{ name: 'pipeline', status: 'errored' }] });
    expect(lost.why).toMatch(/does not (appear to be a git repository|exist)/);
    expect(await server.log('away', numbers[0], 'pipeline')).toContain(lost.why);
    expect(never).toMatchObject({ status: 'errored', why: expect.stringContaining(next) });
  });
});
