import { createHash } from 'node:crypto';
import type { AuditEntry } from '@reprise/server/audit/audit.api.ts';
import { viewEntry } from '@reprise/server/audit/audit.view.ts';
import { firstBroken } from '@reprise/server/audit/chain.ts';
import { recordAudit } from '@reprise/server/audit/record.ts';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ProjectServer } from '../../rig/project-server.ts';
import { letAuditBeChanged } from '../../rig/records.ts';

let rig: ProjectServer;

beforeEach(async () => {
  rig = await ProjectServer.start();
});
afterEach(() => rig[Symbol.asyncDispose]());

const ADA = { name: 'ada', via: '' };

function record(
  subject: string,
  more: { reason?: string; detail?: object; at?: number } = {},
): Promise<void> {
  const { db } = rig.services;
  const entry = { at: Date.UTC(2026, 0, 1), by: ADA, action: 'runner.add' as const, subject, ...more };
  return db.transaction().execute((trx) => recordAudit(trx, entry));
}

async function entries(): Promise<AuditEntry[]> {
  const { body } = await rig.api<{ items: AuditEntry[] }>('GET', '/api/audit?limit=200');
  return body.items.toReversed();
}

test('a hundred who record at once make one chain without a gap', async () => {
  await Promise.all(Array.from({ length: 100 }, (_, at) => record(`runner ${at}`)));
  const all = await entries();
  expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
  expect(firstBroken(all)).toBeNull();
});

test('an entry and its change are there together, or neither', async () => {
  const failing = rig.services.db.transaction().execute(async (trx) => {
    await recordAudit(trx, { at: 0, by: ADA, action: 'runner.add', subject: 'runner x' });
    throw new Error('the change failed');
  });
  await expect(failing).rejects.toThrow('the change failed');
  expect(await entries()).toEqual([]);
});

test('the database changes and removes no entry', async () => {
  await record('runner a');
  const { db } = rig.services;
  await expect(db.updateTable('audit').set({ actor: 'eve' }).execute()).rejects.toThrow('append-only');
  await expect(db.deleteFrom('audit').execute()).rejects.toThrow('append-only');
  expect((await entries()).map(({ actor }) => actor)).toEqual(['ada']);
});

test.each<[string, ReturnType<typeof sql>, number]>([
  ['edited', sql`update audit set reason = 'another' where seq = 2`, 2],
  ['given to somebody else', sql`update audit set actor = 'eve' where seq = 3`, 3],
  ['back-dated', sql`update audit set at = at - 1000 where seq = 1`, 1],
  ['taken out', sql`delete from audit where seq = 2`, 3],
  ['taken out at the beginning', sql`delete from audit where seq = 1`, 2],
  ['moved', sql`update audit set seq = case seq when 2 then 30 when 3 then 20 else seq end`, 4],
])('an entry that was %s past the database shows', async (_, change, broken) => {
  for (const at of [1, 2, 3, 4]) await record(`runner ${at}`, { reason: `because ${at}` });
  expect(firstBroken(await entries())).toBeNull();
  const { db } = rig.services;
  await letAuditBeChanged(db);
  await change.execute(db);
  const rows = await db.selectFrom('audit').selectAll().orderBy('seq').execute();
  expect(firstBroken(rows.map(viewEntry))).toBe(broken);
});

test('another program checks the chain from what the API answers, as the README says', async () => {
  await record('runner ünï 😀', { reason: 'a "quote", a \\, a\ttab\n<b>', at: 1_767_225_600_123 });
  await record('runner \ud83d\0', {
    detail: { b: [1, { z: null, a: 1.5e21 }], a: '\u2028', 10: 'x', 9: 'y' },
  });
  await record('runner c', { detail: { left: undefined, secret: { toJSON: () => '[redacted]' } } });
  let previous = '0'.repeat(64);
  for (const { hash, ...covered } of await entries()) {
    expect(covered.previousHash).toBe(previous);
    expect(createHash('sha256').update(canonical(covered), 'utf8').digest('hex')).toBe(hash);
    previous = hash;
  }
  expect((await entries())[1]).toMatchObject({ subject: 'runner \ufffd\ufffd' });
  expect((await entries())[2]?.detail).toEqual({ secret: '[redacted]' });
});

/** RFC 8785 once more, written apart from the server's. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical)}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const names = Object.keys(value).toSorted();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(Reflect.get(value, name))}`)}}`;
}
