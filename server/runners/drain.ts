import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import { notFound } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { findRunner } from './runner.store.ts';

/** Lets a runner finish what it has and take no more, or take jobs again. What is so already is no change. */
export async function drainRunner(
  { db, live, queue, now }: Services,
  name: string,
  { draining, by }: { draining: boolean; by: Actor },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const runner = await findRunner(trx, name);
    if (!runner) throw notFound(`Runner ${name}`);
    const was = runner.draining === 1;
    if (was === draining) return;
    await trx
      .updateTable('runners')
      .set({ draining: draining ? 1 : 0 })
      .where('id', '=', runner.id)
      .execute();
    const detail = { draining: { from: was, to: draining } };
    await recordAudit(trx, { at: now(), by, action: 'runner.change', subject: `runner ${name}`, detail });
  });
  queue.wake();
  live.changed('runners', 'queue', 'audit');
}
