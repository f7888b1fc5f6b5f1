import { existsSync } from 'node:fs';
import { lockRemovals } from '@reprise/server/lock.ts';
import type { RetentionPreview, RetentionRules } from '@reprise/server/retention/retention.api.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Promotable } from '../../rig/promotable.ts';
import { packed, sha256 } from '../../rig/puppet-runner.ts';

const ARTIFACT = JSON.stringify({
  version: 1,
  jobs: { package: { steps: [{ run: 'true' }], artifact: { name: 'site', paths: ['a'] } } },
});
const DAY_MS = 24 * 3_600_000;
const NO_LIMITS: RetentionRules = { days: null, builds: null, bytes: null, records: 'stay' };

let shop: Promotable;
/** Days that the server's clock is ahead. */
let daysOn = 0;

const admin: Promotable['here']['admin'] = (...words) => shop.here.admin(...words);
const setRules = (rules: Partial<RetentionRules> | null) =>
  admin('PATCH', '/api/projects/shop', { retention: rules && { ...NO_LIMITS, ...rules } });
const preview = async (query = '') =>
  (await admin<RetentionPreview>('GET', `/api/projects/shop/retention/preview${query}`)).body;
const held = async () => (await admin('GET', '/api/projects/shop/retention')).body.held;
const blob = (text: string) => shop.here.services.blobs.has(sha256(text));

beforeAll(async () => {
  shop = await Promotable.start(
    {
      prod: { path: '/srv/prod', hosts: ['local'] },
      test: { path: '/srv/test', hosts: ['local'] },
    },
    // When days pass at once nothing is to be looked at that nobody asked for.
    { REPRISE_PROBE_MINUTES: '0', REPRISE_LOOK_MINUTES: '0' },
  );
  const real = shop.here.services.now;
  shop.here.services.now = () => real() + daysOn * DAY_MS;
});
afterAll(() => shop[Symbol.asyncDispose]());

describe('eight builds of main, one of which is live, one was, one is pinned', () => {
  beforeAll(async () => {
    for (let number = 1; number <= 8; number++) await shop.build();
    await shop.deploy(2, 'prod');
    await shop.deploy(3, 'prod');
    const pinned = await admin('PUT', '/api/projects/shop/builds/4/pin', { reason: 'a customer has it' });
    expect(pinned.body.pinned).toMatchObject({ by: 'operator', reason: 'a customer has it' });
    // As if they were pushed: a build by object name has no branch.
    await shop.here.services.db.updateTable('builds').set({ branch: 'main' }).execute();
  });

  test('without rules nothing would go', async () => {
    expect(await preview()).toMatchObject({ goes: { builds: 0 }, stays: [], complete: true });
    expect(await held()).toEqual({ builds: 8, bytes: 8 * 'content 1'.length });
  });

  test('by count the oldest would go, and what is needed says why it stays', async () => {
    const seen = await preview('?builds=2');
    expect(seen.goes.items.map(({ number }) => number)).toEqual([1, 5, 6]);
    expect(seen.goes).toMatchObject({ builds: 3, bytes: 3 * 'content 1'.length });
    expect(seen.goes.items[0]?.why).toBe('Only the newest 2 builds are kept.');
    expect(seen.stays.map(({ number, why }) => [number, why])).toEqual([
      [2, 'It was promoted to prod, which may go back to it.'],
      [3, 'It is live in prod.'],
      [4, 'operator pinned it: a customer has it'],
    ]);
  });

  test('by size as much would go as is too much, by age what is old enough', async () => {
    const bySize = await preview(`?bytes=${7 * 'content 1'.length}`);
    expect(bySize.goes.items).toMatchObject([
      { number: 1, why: 'Only the newest builds are kept that hold no more than 63 bytes together.' },
    ]);
    daysOn = 31;
    const byAge = await preview('?days=30');
    expect(byAge.goes.items.map(({ number }) => number)).toEqual([1, 5, 6, 7]);
    expect(byAge.goes.items[0]?.why).toBe('It ended more than 30 days ago.');
    expect(byAge.stays.at(-1)).toMatchObject({
      number: 8,
      why: 'It is the latest build of main that passed.',
    });
    daysOn = 0;
  });

  test('the sweep carries out the rules of the project, and the record of a build says why it has nothing any more', async () => {
    await setRules({ builds: 3 });
    await shop.here.services.retention.sweep();
    expect(await held()).toMatchObject({ builds: 6 });
    const { body: gone } = await admin('GET', '/api/projects/shop/builds/1');
    expect(gone).toMatchObject({
      status: 'passed',
      artifacts: [],
      removed: { why: 'Only the newest 3 builds are kept.' },
      jobs: [{ logSize: 0 }],
    });
    const { body: entries } = await admin('GET', '/api/audit?action=retention.remove');
    expect(entries.items[0]).toMatchObject({
      actor: 'Reprise',
      subject: 'shop #1 to #5',
      detail: { builds: [1, 5], rules: { builds: 3 } },
    });
    expect((await admin('PUT', '/api/projects/shop/builds/1/pin', { reason: 'too late' })).status).toBe(409);
    expect((await admin('POST', '/api/projects/shop/builds/1/jobs/package/retry', {})).body.detail).toContain(
      'removed by retention',
    );
  });

  test('the bytes go an hour later, unless a backup is being made; those of builds that stay do not', async () => {
    const { services } = shop.here;
    expect(await blob('content 1')).toBe(true);
    daysOn = 1;
    const backup = lockRemovals(services.config.dataDir, { waitMs: 0 });
    await services.retention.sweep();
    expect(await blob('content 1')).toBe(true);
    backup?.release();
    await services.retention.sweep();
    daysOn = 0;
    expect(await Promise.all(['content 1', 'manifest 5'].map(blob))).toEqual([false, false]);
    expect(await Promise.all(['content 2', 'manifest 3', 'content 8'].map(blob))).toEqual([true, true, true]);
  });

  test('a blob that another build shares, or that a runner is told it need not send, stays', async () => {
    const { services } = shop.here;
    const { db } = services;
    const at = services.now();
    const shared = { store: 'blobs' as const, key: sha256('content 2'), due_at: at };
    await db.insertInto('removals').values(shared).execute();
    await services.retention.sweep();
    expect(await blob('content 2')).toBe(true);

    const { body } = await admin('POST', '/api/projects/shop/builds', { ref: shop.project.head });
    await shop.here.planned('shop', body.number);
    const work = await shop.builder.take();
    await shop.builder.putBlob(work, 'asked for');
    const unused = { store: 'blobs' as const, key: sha256('asked for'), due_at: at };
    await db.insertInto('removals').values(unused).execute();
    await shop.builder.putBlob(work, 'asked for');
    await services.retention.sweep();
    expect(await blob('asked for')).toBe(true);
    await shop.builder.finish(work, { status: 'failed' });
  });

  test('what is pinned between the look and the deed stays', async () => {
    const before = await preview('?builds=1');
    expect(before.goes.items.map(({ number }) => number)).toContain(7);
    await admin('PUT', '/api/projects/shop/builds/7/pin', { reason: 'wait' });
    await setRules({ builds: 1 });
    await admin('POST', '/api/projects/shop/retention/run');
    expect((await admin('GET', '/api/projects/shop/builds/7')).body.removed).toBeNull();
    await admin('DELETE', '/api/projects/shop/builds/7/pin');
    const run = await admin('POST', '/api/projects/shop/retention/run');
    expect(run.body).toMatchObject({ builds: 1, complete: true });
  });

  test('where records go too, the build is not there any more, nor its pin in the mirror', async () => {
    const first = shop.project.repository.commit('Another', { other: 'text' });
    const alone = await shop.build(first);
    await shop.build();
    const pin = `${shop.here.services.mirrors.directory({ id: await projectId() })}/refs/reprise/keep/${first}`;
    expect(existsSync(pin)).toBe(true);
    await setRules({ builds: 1, records: 'go' });
    await shop.here.services.retention.sweep();
    expect((await admin('GET', `/api/projects/shop/builds/${alone}`)).status).toBe(404);
    expect(existsSync(pin)).toBe(false);
    // The commit of a build that stays is kept, however many builds of it went.
    expect(existsSync(pin.replace(first, shop.project.head))).toBe(true);
  });
});

test('of a build that is promoted at the moment when it would go, either its artifact is there or it is not promoted', async () => {
  const rules = await setRules({ builds: 1 });
  expect(rules.status).toBe(200);
  const outcomes = new Set<string>();
  const remove = () => admin('POST', '/api/projects/shop/retention/run');
  const rounds = 8;
  for (let round = 0; round <= rounds; round++) {
    const build = await shop.build();
    await shop.build();
    // First the removal is done before, last after; in between the promotion comes further from round to round.
    if (round === 0) await remove();
    const asked = shop.ask(build, 'test');
    for (let turn = 0; turn < 12 * round; turn++) await fetch(`${shop.here.address}/healthz`);
    if (round === rounds) await asked;
    await remove();
    const { status } = await asked;
    const { body } = await admin('GET', `/api/projects/shop/builds/${build}`);
    outcomes.add(`promoted ${status === 201}, held ${body.artifacts.length === 1}`);
    if (status === 201) await shop.end(await shop.take());
  }
  expect([...outcomes].sort()).toEqual(['promoted false, held false', 'promoted true, held true']);
});

test('what a removed project held goes later, too', async () => {
  const { services } = shop.here;
  const noted = () => services.db.selectFrom('removals').selectAll().where('store', '=', 'blobs').execute();
  const other = await shop.here.project('other', { '.reprise.yml': ARTIFACT });
  const { body } = await admin('POST', '/api/projects/other/builds', { ref: other.head });
  await shop.here.planned('other', body.number);
  const work = await shop.builder.take();
  const file = { ...packed('site', 'of other', 'list of other'), fileName: `site-${work.version}.tar.gz` };
  for (const bytes of ['of other', 'list of other']) await shop.builder.putBlob(work, bytes);
  await shop.builder.finish(work, { artifacts: [file] });
  expect((await admin('DELETE', '/api/projects/other')).status).toBe(204);
  expect((await noted()).map(({ key }) => key)).toEqual(
    expect.arrayContaining([sha256('of other'), sha256('list of other')]),
  );
});

test('a log is removed with its build', async () => {
  const { services } = shop.here;
  await setRules(null);
  const { body } = await admin('POST', '/api/projects/shop/builds', { ref: shop.project.head });
  await shop.here.planned('shop', body.number);
  const work = await shop.builder.take();
  const text = 'said something\n';
  await shop.builder.log(work, 0, text);
  await shop.builder.finish(work, { status: 'failed', logSize: text.length, logSha256: sha256(text) });
  expect(await services.logs.size(work.attempt)).toBe(15);
  await shop.build();
  await setRules({ builds: 1 });
  await services.retention.sweep();
  expect(await services.logs.size(work.attempt)).toBe(0);
});

test('old deliveries go, and so do old looks at hosts with their jobs, but for the newest of each place', async () => {
  const { services } = shop.here;
  await setRules(null);
  await shop.here.push(shop.project, shop.project.repository.commit('Pushed', { pushed: 'text' }));
  for (let look = 0; look < 2; look++) {
    await admin('POST', '/api/projects/shop/environments/prod/probe');
    const work = await shop.take();
    await shop.end(work);
  }
  const probes = () =>
    services.db.selectFrom('deployments').select('id').where('kind', '=', 'probe').execute();
  const deliveries = () => services.db.selectFrom('deliveries').select('id').execute();
  daysOn = 29;
  await services.retention.sweep();
  expect(await deliveries()).toHaveLength(1);
  expect(await probes()).toHaveLength(1);
  daysOn = 91;
  await services.retention.sweep();
  daysOn = 0;
  expect(await deliveries()).toHaveLength(0);
});

async function projectId(): Promise<string> {
  const { id } = await shop.here.services.db.selectFrom('projects').select('id').executeTakeFirstOrThrow();
  return id;
}
