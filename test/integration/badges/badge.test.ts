import { afterAll, beforeAll, expect, test } from 'vitest';
import { ProjectServer } from '../../rig/project-server.ts';

let rig: ProjectServer;

beforeAll(async () => {
  rig = await ProjectServer.start();
  for (const name of ['shop', 'private'])
    await rig.api('POST', '/api/projects', { name, cloneUrl: rig.dir.join(name), defaultBranch: 'main' });
  await rig.api('PATCH', '/api/projects/shop', { public: true });
});
afterAll(() => rig[Symbol.asyncDispose]());

/** As somebody who is not signed in. */
async function badge(path: string) {
  const response = await fetch(`${rig.address}/badges/${path}`);
  return { response, word: /<title>(.*)<\/title>/.exec(await response.text())?.[1] };
}

async function build(status: 'passed' | 'failed' | 'running' | 'skipped' | 'cancelled', branch = 'main') {
  const { id } = await rig.services.db
    .selectFrom('projects')
    .select('id')
    .where('name', '=', 'shop')
    .executeTakeFirstOrThrow();
  const { seq } = await rig.build(id, 'c0ffee', status);
  await rig.services.db.updateTable('builds').set({ branch }).where('seq', '=', seq).execute();
}

test('a public project has a badge that any page may show', async () => {
  const { response, word } = await badge('shop.svg');
  expect(word).toBe('shop main: no build');
  expect(response.status).toBe(200);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'image/svg+xml; charset=utf-8',
    'cache-control': 'public, max-age=60',
    'cross-origin-resource-policy': 'cross-origin',
    'content-security-policy': "sandbox; default-src 'none'",
    'x-content-type-options': 'nosniff',
  });
});

test('a badge says how the newest build of the branch ended that tells something', async () => {
  await build('passed');
  for (const status of ['skipped', 'cancelled', 'running'] as const) await build(status);
  await build('failed', 'feature/x');
  expect((await badge('shop.svg')).word).toBe('shop main: passed');
  expect((await badge('shop.svg?branch=feature/x')).word).toBe('shop feature/x: failed');
  expect((await badge('shop.svg?branch=%3Cscript%3E')).word).toBe('shop &#60;script&#62;: no build');
  await build('failed');
  expect((await badge('shop.svg')).word).toBe('shop main: failed');
});

test('a project that is not public is answered as one that is not there', async () => {
  for (const path of ['private.svg', 'nothing.svg', '..%2fshop.svg', 'shop.svg.svg'])
    expect((await badge(path)).response.status, path).toBe(404);
  await rig.api('PATCH', '/api/projects/shop', { public: false });
  expect((await badge('shop.svg')).response.status).toBe(404);
});
