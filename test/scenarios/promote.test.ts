import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnvironmentAnswer } from '@reprise/server/environments/environment.api.ts';
import type { Preview, PromotionAnswer } from '@reprise/server/promotions/promotion.api.ts';
import { expect, test } from 'vitest';
import { type SignedInBrowser, signIn } from '../rig/accounts.ts';
import { Rig, type RigProject } from '../rig/reprise.ts';

/** A pipeline whose artifact holds what it is told, and two places below the local root. */
function pipeline(
  root: string,
  content: string,
  more: { staging?: object; production?: object; direct?: object } = {},
): string {
  const place = (name: string, extra: object = {}) => ({
    path: `${root}/${name}`,
    hosts: ['local'],
    ...extra,
  });
  return JSON.stringify({
    version: 1,
    jobs: {
      package: {
        steps: [{ run: `mkdir -p dist; echo ${content} > dist/index.html` }],
        artifact: { name: 'shop', paths: ['dist'] },
      },
    },
    environments: {
      staging: place('staging', {
        health: { run: 'test -s dist/index.html', timeout: '5s' },
        ...more.staging,
      }),
      production: place('production', { requires: ['staging'], approvals: 1, ...more.production }),
      direct: place('direct', { approvals: 1, ...more.direct }),
    },
  });
}

async function start(): Promise<{ rig: Rig; root: string }> {
  const rig = await Rig.start({ command: 'up', env: { REPRISE_LOCAL_DEPLOY_ROOT: '/tmp' } });
  const root = rig.path('boxes');
  mkdirSync(root);
  return { rig, root };
}

/** Resolves with the promotion once it is decided and carried out. */
function done(rig: Rig, project: string, id: string): Promise<PromotionAnswer> {
  return rig.when(`environments:${project}`, async () => {
    const promotion = await rig.api<PromotionAnswer>('GET', `/api/projects/${project}/promotions/${id}`);
    return ['done', 'void', 'rejected'].includes(promotion.state) ? promotion : null;
  });
}

async function promote(
  by: SignedInBrowser,
  asked: { build: number; environment: string; reason?: string; confirmOlder?: boolean },
): Promise<{ status: number; body: PromotionAnswer & { rule?: string; detail?: string } }> {
  return by.call('POST', '/api/projects/shop/promotions', { reason: 'It is good.', ...asked });
}

const live = (root: string, environment: string) =>
  readFileSync(join(root, environment, 'current/dist/index.html'), 'utf8').trim();

async function built(rig: Rig, project: RigProject, commit: string): Promise<number> {
  const number = await rig.push(project, commit);
  expect(await rig.ended('shop', number)).toMatchObject({ status: 'passed' });
  return number;
}

test('an artifact goes to staging, with a second person to production, and back again', async () => {
  const { rig: started, root } = await start();
  await using rig = started;
  const project = await rig.project('shop', { '.reprise.yml': pipeline(root, 'one') });
  const ada = await signIn(rig.address, { login: 'ada', role: 'deployer' });
  const bob = await signIn(rig.address, { login: 'bob', role: 'deployer' });
  const first = await built(rig, project, project.head);

  const early = await promote(ada, { build: first, environment: 'production' });
  expect(early).toMatchObject({ status: 409, body: { rule: 'requires' } });
  expect((await promote(ada, { build: first, environment: 'staging', reason: ' ' })).status).toBe(400);

  const staged = await promote(ada, { build: first, environment: 'staging', reason: 'First of all' });
  expect(staged.status).toBe(201);
  expect(await done(rig, 'shop', staged.body.id)).toMatchObject({
    state: 'done',
    deployment: { status: 'passed', outcome: 'done' },
  });
  expect(live(root, 'staging')).toBe('one');
  expect(readFileSync(join(root, 'staging/revisions.log'), 'utf8')).toMatch(
    /^Branch main \(at [0-9a-f]{7,40}\) deployed as release \d{14} by ada: First of all \(Reprise shop#1 /,
  );

  const asked = await promote(ada, { build: first, environment: 'production' });
  expect(asked.body).toMatchObject({ state: 'waiting', approvalsNeeded: 1 });
  const path = `/api/projects/shop/promotions/${asked.body.id}`;
  expect((await ada.call('POST', `${path}/approve`, {})).status).toBe(403);
  expect(existsSync(join(root, 'production'))).toBe(false);
  expect((await bob.call('POST', `${path}/approve`, { comment: 'Looks right' })).status).toBe(200);
  expect(await done(rig, 'shop', asked.body.id)).toMatchObject({
    state: 'done',
    approvals: [{ by: 'bob', comment: 'Looks right' }],
    deployment: { status: 'passed' },
  });
  expect(live(root, 'production')).toBe('one');

  const second = await built(
    rig,
    project,
    project.repository.commit('Second', { '.reprise.yml': pipeline(root, 'two') }),
  );
  const preview = await rig.api<Preview>(
    'GET',
    `/api/projects/shop/promotions/preview?build=${second}&environment=staging`,
  );
  expect(preview).toMatchObject({
    direction: 'newer',
    objections: [],
    live: { build: first },
    commits: [{ subject: 'Second' }],
  });
  const next = await promote(bob, { build: second, environment: 'staging' });
  await done(rig, 'shop', next.body.id);
  expect(live(root, 'staging')).toBe('two');
  const older = await promote(bob, { build: first, environment: 'staging' });
  expect(older).toMatchObject({ status: 409, body: { rule: 'older' } });

  const back = await bob.call('POST', '/api/projects/shop/environments/staging/rollback', {
    reason: 'Too slow',
  });
  expect(back.status).toBe(201);
  expect(await done(rig, 'shop', back.body.id)).toMatchObject({
    kind: 'rollback',
    deployment: { status: 'passed' },
  });
  expect(live(root, 'staging')).toBe('one');
  const environment = await rig.api<EnvironmentAnswer>('GET', '/api/projects/shop/environments/staging');
  expect(environment.hosts).toMatchObject([
    { host: 'local', build: first, by: 'bob', reason: 'Too slow', isKnown: true },
  ]);

  const at = new Date(Date.parse(environment.hosts[0]?.since ?? '') - 1).toISOString();
  const then = await rig.api<{ promotion: PromotionAnswer }>(
    'GET',
    `/api/projects/shop/environments/staging/at?time=${at}`,
  );
  expect(then.promotion.build).toBe(second);
  const { items } = await rig.api<{ items: { action: string; actor: string; reason: string }[] }>(
    'GET',
    '/api/audit?project=shop',
  );
  expect(items.find(({ action }) => action === 'promotion.approve')).toMatchObject({
    actor: 'bob',
    reason: 'Looks right',
  });
});

test('what fails its health check is undone, and production is refused', async () => {
  const { rig: started, root } = await start();
  await using rig = started;
  const project = await rig.project('shop', { '.reprise.yml': pipeline(root, 'good') });
  const ada = await signIn(rig.address, { login: 'ada', role: 'admin' });
  const good = await built(rig, project, project.head);
  await done(rig, 'shop', (await promote(ada, { build: good, environment: 'staging' })).body.id);

  const sick = { health: { run: 'grep -q good dist/index.html', timeout: '2s' } };
  const bad = await built(
    rig,
    project,
    project.repository.commit('Bad', { '.reprise.yml': pipeline(root, 'bad', { staging: sick }) }),
  );
  const result = await done(
    rig,
    'shop',
    (await promote(ada, { build: bad, environment: 'staging' })).body.id,
  );
  expect(result.deployment).toMatchObject({ status: 'failed', outcome: 'undone' });
  expect(live(root, 'staging')).toBe('good');
  const refused = await promote(ada, { build: bad, environment: 'production' });
  expect(refused).toMatchObject({ status: 409, body: { rule: 'requires' } });
  const environment = await rig.api<EnvironmentAnswer>('GET', '/api/projects/shop/environments/staging');
  expect(environment.hosts).toMatchObject([{ build: good }]);
});

test('an approval is for exactly what was asked: it is void once the file says otherwise', async () => {
  const { rig: started, root } = await start();
  await using rig = started;
  const project = await rig.project('shop', { '.reprise.yml': pipeline(root, 'one') });
  const ada = await signIn(rig.address, { login: 'ada', role: 'deployer' });
  const bob = await signIn(rig.address, { login: 'bob', role: 'deployer' });
  const build = await built(rig, project, project.head);
  const asked = await promote(ada, { build, environment: 'direct' });
  const direct = { path: `${root}/elsewhere` };
  project.repository.commit('Elsewhere', {
    '.reprise.yml': pipeline(root, 'one', { direct }),
  });
  const approval = await bob.call('POST', `/api/projects/shop/promotions/${asked.body.id}/approve`, {});
  expect(approval).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('defined differently') },
  });
  expect(await done(rig, 'shop', asked.body.id)).toMatchObject({ state: 'void' });
  expect(readdirSync(root)).toEqual([]);
});
