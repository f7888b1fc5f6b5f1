import type { Progress } from '@reprise/runner/protocol.ts';
import { beside, takeTurns } from '../db/turns.ts';
import { buildTopic } from '../live/topics.ts';
import type { Services } from '../services.ts';
import { type PlacedAttempt, stale } from './attempt.store.ts';
import { recordSteps } from './steps.ts';

/** Records how far the steps of a running attempt are. */
export async function recordProgress(
  { db, live, now }: Services,
  attempt: PlacedAttempt,
  { steps }: Progress,
): Promise<void> {
  const changed = await beside(db).execute(async (trx) => {
    await takeTurns(trx, { build: attempt.build_id });
    const running = await trx
      .selectFrom('attempts')
      .select('id')
      .where('id', '=', attempt.id)
      .where('status', '=', 'running')
      .executeTakeFirst();
    if (!running) throw stale(attempt.id);
    if (!(await recordSteps(trx, attempt, { reported: steps, now: now() }))) return false;
    await trx
      .updateTable('builds')
      .set((eb) => ({ revision: eb('revision', '+', 1) }))
      .where('id', '=', attempt.build_id)
      .execute();
    return true;
  });
  // The queue names the step that runs.
  if (changed) live.changed(buildTopic(attempt.project, attempt.build), 'queue');
}
