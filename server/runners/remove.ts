import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Runner } from '../db/schema.ts';
import { RUNNING } from '../queue/literals.ts';
import type { Services } from '../services.ts';
import { loseAttempt } from './lose.ts';

/**
 * Removes a runner: its token ends for good, then what it held is lost and tried again elsewhere. The attempts keep its name.
 */
export async function removeRunner(services: Services, runner: Runner, by: Actor): Promise<void> {
  const { db, live, queue, now } = services;
  const held = await db.transaction().execute(async (trx) => {
    const running = await trx
      .selectFrom('attempts')
      .select('id')
      .where('runner_id', '=', runner.id)
      .where('status', '=', RUNNING)
      .execute();
    await trx.deleteFrom('runners').where('id', '=', runner.id).execute();
    if (runner.registered) {
      const { token_hash, name: runner_name } = runner;
      await trx.insertInto('retired_tokens').values({ token_hash, runner_name, retired_at: now() }).execute();
    }
    const subject = `runner ${runner.name}`;
    await recordAudit(trx, { at: now(), by, action: 'runner.remove', subject });
    return running;
  });
  for (const { id } of held) await loseAttempt(services, id, { why: `runner ${runner.name} was removed` });
  queue.dismiss(runner.id);
  queue.notice(runner.id);
  live.changed('runners', 'queue', 'audit');
}
