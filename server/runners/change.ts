import type { z } from 'zod';
import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Runner } from '../db/schema.ts';
import { notFound } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { TRUSTED } from './quarantine.ts';
import type { runnerChange } from './runner.api.ts';
import { findRunner } from './runner.store.ts';

/**
 * Lets a runner finish what it has and take no more, or take jobs again; or takes one back that was put aside. What is so
 * already is no change.
 */
export async function changeRunner(
  { db, live, queue, now }: Services,
  name: string,
  { by, ...wanted }: z.output<typeof runnerChange> & { by: Actor },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const runner = await findRunner(trx, name);
    if (!runner) throw notFound(`Runner ${name}`);
    const { set, detail } = changesOf(runner, wanted);
    if (Object.keys(detail).length === 0) return;
    await trx.updateTable('runners').set(set).where('id', '=', runner.id).execute();
    await recordAudit(trx, { at: now(), by, action: 'runner.change', subject: `runner ${name}`, detail });
  });
  queue.wake();
  live.changed('runners', 'queue', 'audit');
}

function changesOf(runner: Runner, { draining, quarantined }: z.output<typeof runnerChange>) {
  const was = { draining: runner.draining === 1, quarantined: runner.aside_since !== null };
  const drains = draining !== undefined && draining !== was.draining;
  const trusts = quarantined === false && was.quarantined;
  return {
    set: { ...(drains && { draining: draining ? 1 : 0 }), ...(trusts && TRUSTED) },
    detail: {
      ...(drains && { draining: { from: was.draining, to: draining } }),
      ...(trusts && { quarantined: { from: true, to: false } }),
    },
  };
}
