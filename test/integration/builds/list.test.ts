import type { Build } from '@reprise/server/api.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HereProject, ServerHere } from '../../rig/server-here.ts';

const PIPELINE = "version: 1\njobs:\n  test:\n    steps: [run: 'true']\n";

let server: ServerHere;
let shop: HereProject;
let second: string;

/** 1: main, first · 2: topic, second · 3: v1 (a tag), first · 4: rebuild of 1 · 5: main, second, cancelled. */
beforeAll(async () => {
  server = await ServerHere.start();
  shop = await server.project('shop', { '.reprise.yml': PIPELINE });
  shop.repository.git('tag', 'v1');
  const first = await server.push(shop, shop.head);
  await server.planned('shop', first);
  shop.repository.git('checkout', '--quiet', '-b', 'topic');
  second = shop.repository.commit('Second', { more: 'x' });
  await server.planned('shop', (await ask('', { ref: 'topic' })).number);
  await server.planned('shop', (await ask('', { ref: 'v1' })).number);
  await server.planned('shop', (await ask('/1/rebuild', {})).number);
  await server.planned('shop', await server.push(shop, second));
  await server.admin('POST', '/api/projects/shop/builds/5/cancel');
});
afterAll(() => server[Symbol.asyncDispose]());

async function ask(path: string, body: object): Promise<Build> {
  return (await server.admin('POST', `/api/projects/shop/builds${path}`, body)).body;
}

async function numbers(query: string): Promise<number[]> {
  const { status, body } = await server.admin('GET', `/api/projects/shop/builds?${query}`);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body.items.map(({ number }: Build) => number);
}

describe('the list of builds', () => {
  test.each([
    ['', [5, 4, 3, 2, 1]],
    ['branch=main', [5, 4, 1]],
    ['branch=topic', [2]],
    ['status=cancelled', [5]],
    ['status=queued&branch=main', [4, 1]],
    ['trigger=manual', [3, 2]],
    ['trigger=rebuild', [4]],
    ['branch=nothing', []],
    ['limit=2', [5, 4]],
    ['before=3', [2, 1]],
    ['before=3&limit=1', [2]],
  ])('for %j', async (query, expected) => {
    expect(await numbers(query)).toEqual(expected);
  });

  test('finds a commit by the beginning of its name', async () => {
    expect(await numbers(`commit=${shop.head}`)).toEqual([4, 3, 1]);
    expect(await numbers(`commit=${second.slice(0, 9)}`)).toEqual([5, 2]);
    expect(await numbers(`commit=${second.slice(0, 9).toUpperCase()}`)).toEqual([5, 2]);
  });

  test('says where the next page begins, until there is none', async () => {
    const first = (await server.admin('GET', '/api/projects/shop/builds?limit=3')).body;
    expect(first.next).toBe('3');
    expect(
      (await server.admin('GET', `/api/projects/shop/builds?limit=3&before=${first.next}`)).body.next,
    ).toBe(null);
  });

  test('shows each build as its own page does', async () => {
    const { body } = await server.admin('GET', '/api/projects/shop/builds');
    for (const build of body.items) expect(await server.build('shop', build.number)).toEqual(build);
  });

  test.each([
    'limit=0',
    'limit=201',
    'before=x',
    'before=-1',
    `before=${2 ** 63}`,
    'status=nothing',
    'commit=xyz!',
    'commit=abc',
    'trigger=x',
  ])('refuses %s naming the field', async (query) => {
    const { status, body } = await server.admin('GET', `/api/projects/shop/builds?${query}`);
    expect(status).toBe(400);
    expect(body.errors[0].field).toBe(query.split('=')[0]);
  });
});

test('the latest build is that of a branch or with a status where asked', async () => {
  const latest = async (query: string) =>
    (await server.admin('GET', `/api/projects/shop/builds/latest${query}`)).body.number;
  expect(await latest('')).toBe(5);
  expect(await latest('?branch=topic')).toBe(2);
  expect(await latest('?branch=main&status=queued')).toBe(4);
  expect((await server.admin('GET', '/api/projects/shop/builds/latest?status=passed')).status).toBe(404);
});

test('a build has the members of the public contract, what retention says of it, and no others', async () => {
  const build = await server.build('shop', 4);
  expect(Object.keys(build).sort()).toEqual(
    [
      ...[
        'project',
        'number',
        'status',
        'commit',
        'ref',
        'branch',
        'tag',
        'pullRequest',
        'message',
        'author',
      ],
      ...['trigger', 'rebuildOf', 'version', 'pipelineFrom', 'why', 'queuedAt', 'startedAt', 'finishedAt'],
      ...['jobs', 'artifacts', 'pinned', 'removed'],
    ].sort(),
  );
  expect(Object.keys(build.jobs[0] ?? {}).sort()).toEqual(
    [
      ...['name', 'status', 'needs', 'runner', 'attempt', 'attempts', 'why', 'queuedAt', 'startedAt'],
      ...['finishedAt', 'logSize', 'steps'],
    ].sort(),
  );
});

test("a build's page is 404 for another number, 400 for no number", async () => {
  expect((await server.admin('GET', '/api/projects/shop/builds/99')).status).toBe(404);
  for (const number of ['0', '-1', 'x', '1.5', `${2 ** 63}`, 'NaN'])
    expect((await server.admin('GET', `/api/projects/shop/builds/${number}`)).status).toBe(400);
});

test('the schema of the pipeline file is public', async () => {
  const response = await fetch(`${server.address}/api/pipeline.schema.json`);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ properties: { jobs: {} } });
});
