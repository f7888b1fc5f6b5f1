import { renameSync } from 'node:fs';
import { Lookout } from '@reprise/server/lookout/lookout.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HereProject, ServerHere } from '../../rig/server-here.ts';

const PIPELINE = `version: 1
on: { push: { branches: [main, 'release/**'], tags: ['v*'] } }
jobs: { test: { steps: [run: "true"] } }
`;
const MINUTE_MS = 60_000;

let here: ServerHere;
let shop: HereProject;
/** Minutes that the server's clock is ahead. */
let later = 0;

beforeAll(async () => {
  here = await ServerHere.start();
  const real = here.services.now;
  here.services.now = () => real() + later * MINUTE_MS;
  shop = await here.project('shop', { '.reprise.yml': PIPELINE });
  shop.repository.git('branch', 'release/old');
  await here.planned('shop', await here.push(shop, shop.head));
  await lookLater(10);
});
afterAll(() => here[Symbol.asyncDispose]());

/** Lets the clock go on and looks. */
async function lookLater(minutes: number): Promise<void> {
  later += minutes;
  await here.services.lookout.look();
}

/** The newest build that its filters did not skip. */
const newest = async () => (await here.admin('GET', '/api/projects/shop/builds?limit=1')).body.items[0];

test('the first look only remembers: branches that were there are no news', async () => {
  await lookLater(10);
  await lookLater(10);
  expect(await newest()).toMatchObject({ number: 1 });
});

test('a push that no webhook announced is built once it has waited for it, and shows among the deliveries', async () => {
  const head = shop.repository.commit('Nobody says it', { a: '1' });
  await lookLater(10);
  expect(await newest()).toMatchObject({ number: 1 });
  await lookLater(3);
  expect(await newest()).toMatchObject({
    number: 2,
    commit: head,
    branch: 'main',
    trigger: { kind: 'push', by: 'Reprise', reason: 'found by looking: no webhook announced it' },
  });
  expect(await here.planned('shop', 2)).toMatchObject({ message: 'Nobody says it' });
  const { body } = await here.admin('GET', '/api/deliveries?project=shop&limit=1');
  expect(body.items[0]).toMatchObject({
    event: 'look',
    ref: 'refs/heads/main',
    before: shop.head,
    after: head,
    builds: [{ number: 2 }],
  });
  // It is not GitHub's.
  const { body: project } = await here.admin('GET', '/api/projects/shop');
  expect(Date.parse(project.lastDeliveryAt)).toBeLessThan(Date.parse(body.items[0].receivedAt));
  expect(await here.push(shop, head)).toBe(2);
  await lookLater(10);
  await lookLater(3);
  expect(await newest()).toMatchObject({ number: 2 });
});

test('a push that was announced, or is while it is waited for, is built by its webhook alone', async () => {
  const announced = shop.repository.commit('Said at once', { a: '2' });
  const first = await here.push(shop, announced);
  await lookLater(10);
  const late = shop.repository.commit('Said a little later', { a: '3' });
  await lookLater(10);
  const second = await here.push(shop, late);
  await lookLater(3);
  await lookLater(10);
  expect(await newest()).toMatchObject({
    number: second,
    trigger: { by: expect.not.stringMatching('Reprise') },
  });
  expect(second).toBe(first + 1);
});

test('two servers that look at the same time make one build', async () => {
  const head = shop.repository.commit('Two see it', { a: '4' });
  await lookLater(10);
  later += 3;
  const before = await newest();
  await Promise.all([here.services.lookout.look(), new Lookout(here.services).look()]);
  expect(await newest()).toMatchObject({ number: before.number + 1, commit: head });
});

test('a tag is built as what it leads to, and what the filters leave out is skipped', async () => {
  const before = await newest();
  const head = shop.repository.git('rev-parse', 'HEAD').trim();
  shop.repository.git('tag', '--annotate', '--message', 'One', 'v1.0.0');
  shop.repository.git('tag', 'nightly');
  shop.repository.git('branch', 'topic');
  await lookLater(10);
  await lookLater(3);
  const { body } = await here.admin('GET', '/api/projects/shop/builds?trigger=tag');
  const tagged = body.items.find(({ tag }: { tag: string }) => tag === 'v1.0.0');
  expect(tagged).toMatchObject({ commit: head, trigger: { kind: 'tag' } });
  for (let number = before.number + 1; number <= before.number + 3; number++)
    await here.planned('shop', number);
  const { body: skipped } = await here.admin('GET', '/api/projects/shop/builds?status=skipped');
  const names = skipped.items.map(({ tag, branch }: { tag: string; branch: string }) => tag ?? branch);
  expect(names.sort()).toEqual(['nightly', 'topic']);
});

test('an upstream that does not answer is asked again later, and nothing is forgotten', async () => {
  const before = await newest();
  const head = shop.repository.commit('While it was away', { a: '5' });
  renameSync(shop.repository.path, `${shop.repository.path}.away`);
  await lookLater(10);
  expect(here.logLines.at(-1)).toMatchObject({
    msg: 'its upstream could not be asked for missed pushes',
    project: 'shop',
  });
  renameSync(`${shop.repository.path}.away`, shop.repository.path);
  await lookLater(30);
  await lookLater(3);
  expect(await newest()).toMatchObject({ number: before.number + 1, commit: head });
});

test('a new address is remembered like a new project: only what is pushed from then on is news', async () => {
  const other = await here.project('moved', { '.reprise.yml': PIPELINE, 'moved.txt': '1' });
  for (const name of ['release/1', 'release/2']) other.repository.git('branch', name);
  other.repository.git('tag', 'v2.0.0');
  const before = await newest();
  const cloneUrl = `file://${other.repository.path}`;
  expect(await here.admin('PATCH', '/api/projects/shop', { cloneUrl })).toMatchObject({ status: 200 });
  for (const minutes of [10, 10, 3]) await lookLater(minutes);
  expect(await newest()).toMatchObject({ number: before.number });
  const head = other.repository.commit('At the new address', { a: '6' });
  for (const minutes of [10, 3]) await lookLater(minutes);
  expect(await newest()).toMatchObject({ number: before.number + 1, commit: head });
});
