import { afterAll, beforeAll, expect, test } from 'vitest';
import { filesWith } from '../../rig/canary.ts';
import { ServerHere } from '../../rig/server-here.ts';

const VALUE = 'the value that nobody may read back';
let here: ServerHere;
beforeAll(async () => {
  here = await ServerHere.start();
  await here.project('shop', { 'a.txt': 'a' });
});
afterAll(() => here[Symbol.asyncDispose]());

test('a secret is listed by name and no answer holds its value', async () => {
  const put = await here.admin('PUT', '/api/projects/shop/secrets/NPM_TOKEN', { value: VALUE });
  expect(put).toMatchObject({
    status: 200,
    body: { name: 'NPM_TOKEN', environment: null, masked: true, updatedBy: 'operator' },
  });
  const list = await here.admin('GET', '/api/projects/shop/secrets');
  expect(list.body.items).toMatchObject([{ name: 'NPM_TOKEN' }]);
  expect(JSON.stringify([put, list])).not.toContain(VALUE);
  expect((await here.admin('GET', '/api/projects/shop/secrets/NPM_TOKEN')).status).toBe(405);
});

test('a secret is nowhere in the data but sealed', async () => {
  await here.admin('PUT', '/api/projects/shop/secrets/SEALED', { value: VALUE });
  expect(filesWith(here.path('data'), [VALUE, Buffer.from(VALUE).toString('base64')])).toEqual([]);
  expect(JSON.stringify(here.logLines)).not.toContain(VALUE);
});

test('a sealed value moved to another name does not open', async () => {
  const { db, vault } = here.services;
  const { revealSecrets } = await import('@reprise/server/secrets/secret.store.ts');
  await here.admin('PUT', '/api/projects/shop/secrets/FIRST', { value: 'first value' });
  await here.admin('PUT', '/api/projects/shop/secrets/SECOND', { value: 'second value' });
  const { id } = await db
    .selectFrom('projects')
    .select('id')
    .where('name', '=', 'shop')
    .executeTakeFirstOrThrow();
  const place = { projectId: id, environment: null };
  expect(await revealSecrets(db, vault, { ...place, names: ['FIRST'] })).toEqual({ FIRST: 'first value' });
  await db
    .updateTable('secrets')
    .set((eb) => ({ value: eb.selectFrom('secrets as s').select('s.value').where('s.name', '=', 'FIRST') }))
    .where('name', '=', 'SECOND')
    .execute();
  await expect(revealSecrets(db, vault, { ...place, names: ['SECOND'] })).rejects.toThrow(/does not open/);
});

test("an environment's secret is another one than the builds' of that name", async () => {
  await here.admin('PUT', '/api/projects/shop/secrets/KEY', { value: 'of builds' });
  await here.admin('PUT', '/api/projects/shop/secrets/KEY?environment=staging', { value: 'of staging' });
  expect((await here.admin('DELETE', '/api/projects/shop/secrets/KEY?environment=staging')).status).toBe(204);
  const { body } = await here.admin('GET', '/api/projects/shop/secrets');
  const keys = body.items.filter(({ name }: { name: string }) => name === 'KEY');
  expect(keys).toMatchObject([{ environment: null }]);
});

test('an SSH key is made here: its public half is answered, its private half never', async () => {
  const path = '/api/projects/shop/secrets/SSH_PRIVATE_KEY?environment=staging';
  const { body } = await here.admin('PUT', path, { generate: 'ssh-key' });
  expect(body.publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/=]+ reprise shop staging$/);
  expect(JSON.stringify(body)).not.toContain('PRIVATE KEY-----');
});

test('a value too short to be masked is kept and said to be shown in logs', async () => {
  const { body } = await here.admin('PUT', '/api/projects/shop/secrets/SHORT', { value: 'abc' });
  expect(body.masked).toBe(false);
});

test.each([
  ['an empty value', 'EMPTY', { value: '' }, 400],
  ['a value with NUL', 'NUL', { value: 'a\0b' }, 400],
  ['a value over the limit', 'LONG', { value: 'x'.repeat(65_537) }, 400],
  ['a name that is no variable', 'A-B', { value: 'x' }, 400],
  ['a variable that Reprise sets', 'REPRISE_TOKEN', { value: 'x' }, 400],
  ['PATH', 'PATH', { value: 'x' }, 400],
  ['a key that is not known', 'X', { value: 'x', environment: 'y' }, 400],
])('%s is refused', async (_, name, body, status) => {
  expect((await here.admin('PUT', `/api/projects/shop/secrets/${name}`, body)).status).toBe(status);
});

test('setting and removing are recorded with who and which, never with the value', async () => {
  await here.admin('PUT', '/api/projects/shop/secrets/AUDITED', { value: VALUE });
  await here.admin('DELETE', '/api/projects/shop/secrets/AUDITED');
  const rows = await here.services.db
    .selectFrom('audit')
    .select(['actor', 'action', 'subject', 'detail'])
    .where('subject', '=', 'shop AUDITED')
    .orderBy('seq')
    .execute();
  expect(rows).toMatchObject([
    { actor: 'operator', action: 'secret.set' },
    { actor: 'operator', action: 'secret.remove' },
  ]);
  expect(JSON.stringify(rows)).not.toContain(VALUE);
  expect((await here.admin('DELETE', '/api/projects/shop/secrets/AUDITED')).status).toBe(404);
});
