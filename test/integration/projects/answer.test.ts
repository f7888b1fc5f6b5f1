import type { Build } from '@reprise/server/db/schema.ts';
import type { ProjectAnswer, ProjectPipeline } from '@reprise/server/projects/project.api.ts';
import { LOOKED_BACK } from '@reprise/server/projects/project.api.ts';
import { listProjects } from '@reprise/server/projects/project.store.ts';
import { expect, test } from 'vitest';
import { deliver, pushPayload } from '../../rig/github.ts';
import { ProjectServer } from '../../rig/project-server.ts';
import { makeRepository } from '../../rig/repository.ts';

const FIRST_AT = 1_767_225_600_000;

async function shop(files: Record<string, string> = { a: 'a' }) {
  const rig = await ProjectServer.start();
  const repository = makeRepository(rig.dir.join('shop'));
  const head = repository.commit('First', files);
  const given = { name: 'shop', cloneUrl: repository.path, github: 'example/shop', defaultBranch: 'main' };
  const { body } = await rig.api<ProjectAnswer>('POST', '/api/projects', given);
  const row = await rig.services.db.selectFrom('projects').selectAll().executeTakeFirstOrThrow();
  const build = async (change: Partial<Build> = {}) => {
    const { seq } = await rig.build(row.id, head);
    if (Object.keys(change).length === 0) return;
    await rig.services.db.updateTable('builds').set(change).where('seq', '=', seq).execute();
  };
  const answer = async () => (await rig.api<ProjectAnswer>('GET', '/api/projects/shop')).body;
  const secret = body.webhook.secret ?? '';
  const made = { rig, repository, head, row, build, answer, secret };
  return { ...made, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

test('a project shows the latest build of each branch, the default branch first', async () => {
  await using made = await shop();
  const { rig, build, answer } = made;
  expect(await answer()).toMatchObject({ branches: [], recent: [], latestBuild: null });
  await build({ branch: 'main', status: 'failed' });
  await build({ branch: 'main', status: 'passed' });
  for (let count = 1; count <= 9; count += 1) await build({ branch: `feature-${count}` });
  await build({ branch: 'feature-9', status: 'skipped' });
  await build({ branch: null, tag: 'v1' });
  const { branches, latestBuild } = await answer();
  expect(branches.map(({ branch, build }) => [branch, build.number])).toEqual([
    ['main', 2],
    ...[9, 8, 7, 6, 5, 4, 3].map((count) => [`feature-${count}`, count + 2]),
  ]);
  expect(branches[0]?.build).toMatchObject({ status: 'passed', branch: 'main', message: 'A change' });
  expect(latestBuild?.number).toBe(13);
  const listed = await rig.api<{ items: ProjectAnswer[] }>('GET', '/api/projects');
  expect(listed.body.items).toEqual([await answer()]);
});

test('a project shows its last thirty builds, the oldest first, and how long they took', async () => {
  await using made = await shop();
  const { build, answer } = made;
  for (let count = 1; count <= 32; count += 1) await build();
  await build({ status: 'skipped' });
  await build({ status: 'running', started_at: FIRST_AT, queued_at: FIRST_AT });
  await build({ status: 'failed', started_at: FIRST_AT, finished_at: FIRST_AT + 4200 });
  const { recent } = await answer();
  expect(recent).toHaveLength(30);
  expect(recent[0]?.number).toBe(5);
  expect(recent.slice(-2)).toEqual([
    { number: 34, status: 'running', durationMs: null, queuedAt: new Date(FIRST_AT).toISOString() },
    { number: 35, status: 'failed', durationMs: 4200, queuedAt: expect.any(String) },
  ]);
});

test('branches are looked for so far back and no further', async () => {
  await using made = await shop();
  const { rig, row, build, answer } = made;
  await build({ branch: 'old' });
  await rig.services.db
    .updateTable('projects')
    .set({ last_build_number: LOOKED_BACK })
    .where('id', '=', row.id)
    .execute();
  expect((await answer()).branches.map(({ branch }) => branch)).toEqual(['old']);
  await build({ branch: 'new' });
  expect((await answer()).branches.map(({ branch }) => branch)).toEqual(['new']);
});

test('a project says when GitHub last delivered something', async () => {
  await using made = await shop();
  const { rig, head, secret, answer } = made;
  expect((await answer()).lastDeliveryAt).toBeNull();
  const before = Date.now();
  const payload = pushPayload({ github: 'example/shop', branch: 'main', after: head });
  await deliver({ secret, url: `${rig.address}/webhooks/github/shop`, event: 'push', payload });
  expect(Date.parse((await answer()).lastDeliveryAt ?? '')).toBeGreaterThanOrEqual(before);
});

test('a project is made public and private again', async () => {
  await using made = await shop();
  const { rig, answer } = made;
  expect(await answer()).toMatchObject({ public: false, role: 'admin' });
  const changed = await rig.api('PATCH', '/api/projects/shop', { public: true });
  expect(changed).toMatchObject({ status: 200, body: { public: true } });
  expect((await answer()).public).toBe(true);
  await rig.api('PATCH', '/api/projects/shop', { public: false });
  expect((await answer()).public).toBe(false);
  expect((await rig.api('PATCH', '/api/projects/shop', { public: 'yes' })).status).toBe(400);
});

test('the list of projects is narrowed by name', async () => {
  await using made = await shop();
  const { rig, repository } = made;
  await rig.api('POST', '/api/projects', { name: 'web', cloneUrl: repository.path });
  const names = async (visible: string[] | null) => {
    const found = await listProjects(rig.services.reader, { before: undefined, limit: 10, visible });
    return found.map(({ name }) => name);
  };
  expect(await names(null)).toEqual(['web', 'shop']);
  expect(await names(['shop', 'hidden'])).toEqual(['shop']);
  expect(await names([])).toEqual([]);
});

const FILE = `version: 1
app:
  owner: Team Shop
  databases: [postgres://db.example.test/shop]
  links: { Runbook: 'https://wiki.example.test/shop' }
jobs:
  test:
    steps: [run: 'true']
  package:
    needs: [test]
    runs-on: [linux, big]
    steps: [run: 'true']
environments:
  staging:
    url: https://staging.example.test
    path: /srv/shop
    hosts: [deploy@staging.example.test]
`;

test("what a pipeline file says is read at the default branch's head, or at another ref", async () => {
  await using made = await shop({ '.reprise.yml': FILE });
  const { rig, repository, head, row } = made;
  repository.git('checkout', '--quiet', '-b', 'broken');
  repository.commit('Break it', { '.reprise.yml': 'version: 1\njobs: {}\n' });
  repository.git('checkout', '--quiet', '-b', 'without');
  repository.commit('Remove it', { '.reprise.yml': null });
  repository.git('checkout', '--quiet', 'main');
  await rig.services.mirrors.fetch(row);
  const at = async (query: string) => {
    return (await rig.api<ProjectPipeline>('GET', `/api/projects/shop/pipeline${query}`)).body;
  };
  expect(await at('')).toEqual({
    ref: 'main',
    commit: head,
    found: true,
    problems: [],
    app: {
      owner: 'Team Shop',
      databases: ['postgres://db.example.test/shop'],
      links: { Runbook: 'https://wiki.example.test/shop' },
    },
    environments: [
      {
        name: 'staging',
        url: 'https://staging.example.test',
        path: '/srv/shop',
        hosts: ['deploy@staging.example.test'],
        requires: [],
        approvals: 0,
      },
    ],
    jobs: [
      { name: 'test', needs: [], runsOn: ['linux'] },
      { name: 'package', needs: ['test'], runsOn: ['linux', 'big'] },
    ],
  });
  const broken = await at('?ref=broken');
  expect(broken).toMatchObject({ found: true, app: null, jobs: [] });
  expect(broken.problems[0]).toMatchObject({ line: 2, message: expect.stringContaining('job') });
  expect(await at('?ref=without')).toMatchObject({
    commit: expect.stringMatching(/^\w{40}$/),
    found: false,
    problems: [],
  });
  expect(await at('?ref=nothing')).toMatchObject({ ref: 'nothing', commit: null, found: false });
  expect(await at('?ref=--output%3Dx')).toMatchObject({ commit: null, found: false });
});
