import type { Build } from '@reprise/server/api.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ServerHere } from '../../rig/server-here.ts';

const PIPELINE = "version: 1\njobs:\n  test:\n    steps: [run: 'true']\n";

let server: ServerHere;

/** In this order: shop 1, web 1, shop 2, web 2 (cancelled), shop 3 (skipped), web 3 (blocked). */
beforeAll(async () => {
  server = await ServerHere.start();
  for (const name of ['shop', 'web']) await server.project(name, { '.reprise.yml': PIPELINE });
  for (const name of ['shop', 'web', 'shop', 'web', 'shop', 'web']) {
    const { body } = await server.admin('POST', `/api/projects/${name}/builds`, { ref: 'main' });
    await server.planned(name, body.number);
  }
  await server.admin('POST', '/api/projects/web/builds/2/cancel');
  await become('skipped', { project: 'shop', number: 3 });
  await become('blocked', { project: 'web', number: 3 });
});
afterAll(() => server[Symbol.asyncDispose]());

async function become(status: Build['status'], { project, number }: { project: string; number: number }) {
  await server.services.db
    .updateTable('builds')
    .set({ status })
    .where('number', '=', number)
    .where('project_id', 'in', (ids) => ids.selectFrom('projects').select('id').where('name', '=', project))
    .execute();
}

async function listed(query: string): Promise<{ names: string[]; next: string | null }> {
  const { status, body } = await server.admin('GET', `/api/builds?${query}`);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return { names: body.items.map(({ project, number }: Build) => `${project} ${number}`), next: body.next };
}

describe('the list of builds over projects', () => {
  test.each([
    ['', ['web 3', 'web 2', 'shop 2', 'web 1', 'shop 1']],
    ['status=blocked', ['web 3']],
    ['status=skipped', ['shop 3']],
    ['status=queued', ['shop 2', 'web 1', 'shop 1']],
    ['status=errored', []],
    ['limit=2', ['web 3', 'web 2']],
  ])('for %j', async (query, expected) => {
    expect((await listed(query)).names).toEqual(expected);
  });

  test('is paged without a gap', async () => {
    const first = await listed('limit=2');
    const second = await listed(`limit=2&before=${first.next}`);
    const third = await listed(`limit=2&before=${second.next}`);
    expect([second.names, third.names]).toEqual([['shop 2', 'web 1'], ['shop 1']]);
    expect(third.next).toBeNull();
  });

  test('has builds as their own page shows them', async () => {
    const { body } = await server.admin('GET', '/api/builds?status=queued');
    expect(body.items[0]).toEqual(await server.build('shop', 2));
  });

  test('refuses what is no status', async () => {
    expect((await server.admin('GET', '/api/builds?status=odd')).status).toBe(400);
  });
});
