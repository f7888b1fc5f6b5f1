import { execFile } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AuditHead, PublicKey } from '@reprise/server/audit/audit.api.ts';
import { recordAudit } from '@reprise/server/audit/record.ts';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { signIn } from '../../rig/accounts.ts';
import { letAuditBeChanged } from '../../rig/records.ts';
import { ADMIN_TOKEN } from '../../rig/reprise.ts';
import { ServerHere } from '../../rig/server-here.ts';

const COMMAND = fileURLToPath(new URL('../../../server/main.ts', import.meta.url));

let here: ServerHere;

beforeEach(async () => {
  here = await ServerHere.start({ REPRISE_ADMIN_TOKEN: ADMIN_TOKEN });
  for (const name of ['a', 'b', 'c', 'd']) await here.admin('POST', '/api/runners', { name });
});
afterEach(() => here[Symbol.asyncDispose]());

function verify(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string; stderr: string }>();
  const env = { PATH: process.env['PATH'], REPRISE_SERVER: here.address, REPRISE_TOKEN: ADMIN_TOKEN };
  execFile(process.execPath, [COMMAND, 'verify-audit', ...args], { env }, (error, stdout, stderr) => {
    resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
  });
  return promise;
}

const head = async () => (await here.admin<AuditHead>('GET', '/api/audit/head')).body;

function kept(name: string, content: string): string {
  writeFileSync(here.path(name), content);
  return here.path(name);
}

async function exported(): Promise<string> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  return (await fetch(`${here.address}/api/audit/export`, { headers })).text();
}

/** As somebody with the database in hand, past its triggers. */
async function tamper(...changes: ReturnType<typeof sql>[]): Promise<void> {
  const { db } = here.services;
  await letAuditBeChanged(db);
  for (const change of changes) await change.execute(db);
}

test('the server’s audit is whole, and a head kept earlier is part of it', async () => {
  const earlier = kept('head.json', JSON.stringify(await head()));
  await here.admin('POST', '/api/runners', { name: 'e' });
  const { code, stdout, stderr } = await verify('--since', earlier);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(
    /^The audit is whole: 5 entries, head [0-9a-f]{64}, signed by [0-9a-f]{64}\. The head kept on .* is part of it\.\n$/,
  );
  const { body } = await here.admin('GET', '/api/audit?limit=1');
  expect(await head()).toMatchObject({ seq: 5, hash: body.items[0].hash });
});

test('a tail that was cut off shows by a head kept earlier, and by nothing else', async () => {
  const earlier = kept('head.json', JSON.stringify(await head()));
  await tamper(sql`delete from audit where seq > 2`);
  expect(await verify()).toMatchObject({ code: 0 });
  expect(await verify('--since', earlier)).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/\(entry 4\) is not here any more: the audit ends with entry 2/),
  });
});

test('an entry that was changed, or a past that was written anew, shows', async () => {
  const earlier = kept('head.json', JSON.stringify(await head()));
  await tamper(sql`update audit set actor = 'eve' where seq = 2`);
  const changed = await verify('--json');
  expect([changed.code, JSON.parse(changed.stdout)]).toMatchObject([
    1,
    { valid: false, entries: 1, problems: ['Entry 2 was changed: its hash is not that of its content.'] },
  ]);
  await sql`delete from audit`.execute(here.services.db);
  for (const name of ['v', 'w', 'x', 'y', 'z']) await here.admin('POST', '/api/runners', { name });
  expect(await verify()).toMatchObject({ code: 0 });
  expect(await verify('--since', earlier)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('was written anew'),
  });
});

test('an exported file is checked without the server, by a key kept before', async () => {
  await here.admin('PATCH', '/api/runners/a', { draining: true });
  const { db } = here.services;
  const by = { name: 'ada', via: '' };
  const strange = {
    at: 0,
    by,
    action: 'runner.change' as const,
    subject: 'a',
    reason: 'one\u2028two\u2029three\u0085',
  };
  await db.transaction().execute((trx) => recordAudit(trx, strange));
  const whole = await exported();
  const { items } = (await here.admin<{ items: PublicKey[] }>('GET', '/api/keys')).body;
  const key = kept('key.pem', items[0]?.publicKey ?? '');
  expect(whole.trim().split('\n')).toHaveLength(7);
  const file = kept('audit.jsonl', whole);
  expect(await verify(file, '--key', key, '--since', file)).toMatchObject({ code: 0 });
  const cut = kept('cut.jsonl', whole.split('\n').slice(0, 3).join('\n'));
  expect(await verify(cut, '--key', key)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('no head at its end'),
  });
  const lines = whole.trim().split('\n');
  const shortened = kept('short.jsonl', [...lines.slice(0, 3), lines.at(-1)].join('\n'));
  expect(await verify(shortened, '--key', key)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('The end is cut off'),
  });
  const forged = {
    ...(JSON.parse(lines.at(-1) ?? '') as { head: AuditHead }).head,
    at: '2020-01-01T00:00:00.000Z',
  };
  const forgery = kept('forged.jsonl', [...lines.slice(0, -1), JSON.stringify({ head: forged })].join('\n'));
  expect(await verify(forgery, '--key', key)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('not signed by a key that is known here'),
  });
  expect(await verify(here.path('nowhere'), '--key', key)).toMatchObject({ code: 2 });
  expect(await verify(key, '--key', key)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('Line 1'),
  });
});

test('the key is the same after another start, in no file of its own, and the audit is for administrators', async () => {
  const before = await head();
  await here.startAgain();
  expect((await head()).keyId).toBe(before.keyId);
  expect(statSync(here.path('data/secret.key')).mode & 0o777).toBe(0o400);
  const { call } = await signIn(here, { login: 'ada', role: 'deployer' });
  for (const path of ['/api/audit/head', '/api/audit/export'])
    expect((await call('GET', path)).status).toBe(403);
  expect((await fetch(`${here.address}/api/keys`)).status).toBe(200);
});
