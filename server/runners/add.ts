import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import { newId, newToken } from '../db/id.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { EMBEDDED } from './embedded.ts';
import type { AddedRunner, newRunner } from './runner.api.ts';

/** Registers a runner and answers its token, which is never shown again. Refuses 409 a name that is taken. */
export async function addRunner(
  { db, live, now }: Services,
  { name, ...given }: z.output<typeof newRunner>,
  by: Actor,
): Promise<AddedRunner> {
  const token = newToken('rpr');
  const labels = [...new Set(given.labels)].sort();
  if (name === EMBEDDED) throw nameTaken(name);
  const at = now();
  await db.transaction().execute(async (trx) => {
    const added = await trx
      .insertInto('runners')
      .values({
        ...newRunnerRow({ name, labels, at }),
        token_hash: createHash('sha256').update(token).digest('hex'),
        added_by: by.name,
      })
      .onConflict((oc) => oc.column('name').doNothing())
      .executeTakeFirst();
    if (added.numInsertedOrUpdatedRows === 0n) throw nameTaken(name);
    await recordAudit(trx, { at, by, action: 'runner.add', subject: `runner ${name}`, detail: { labels } });
  });
  live.changed('runners', 'queue', 'audit');
  return { name, labels, token };
}

/** What is so of every runner that comes, whoever brought it. */
export function newRunnerRow(o: { name: string; labels: readonly string[]; at: number }) {
  return {
    id: newId(),
    name: o.name,
    labels: JSON.stringify(o.labels),
    embedded: 0,
    draining: 0,
    capacity: 1,
    created_at: o.at,
  };
}

export function nameTaken(name: string, instead = 'choose another name'): Refusal {
  return new Refusal(409, 'name-taken', `There is a runner ${name} already: ${instead}.`);
}
