import type { StepState } from '@reprise/runner/protocol.ts';
import type { Transaction } from 'kysely';
import type { Database, Step } from '../db/schema.ts';

type StepValues = Pick<Step, 'status' | 'exit_code' | 'started_at' | 'finished_at' | 'log_offset'>;

/** How far a step has come. A report never takes one back: a late or repeated one changes nothing. */
const RANK = {
  queued: 0,
  blocked: 0,
  running: 1,
  passed: 2,
  failed: 2,
  errored: 2,
  cancelled: 2,
  skipped: 2,
};

/**
 * What a report changes of the recorded steps, by position. Times are the claim's plus the reported durations, bounded by
 * now: a runner's clock is never believed. Steps that the plan does not have are not recorded.
 */
export function mergeSteps(
  recorded: readonly Step[],
  reported: readonly StepState[],
  o: { claimedAt: number; now: number },
): { position: number; values: StepValues }[] {
  const at = (ms: number | null) => (ms === null ? null : Math.min(Math.round(o.claimedAt + ms), o.now));
  return recorded.flatMap((step) => {
    const report = reported[step.position];
    if (!report || RANK[step.status] === 2 || RANK[report.status] < RANK[step.status]) return [];
    const values = {
      status: report.status,
      exit_code: report.exitCode,
      started_at: at(report.startedMs),
      finished_at: at(report.finishedMs),
      log_offset: report.logOffset,
    };
    const same = Object.entries(values).every(([name, value]) => step[name as keyof StepValues] === value);
    return same ? [] : [{ position: step.position, values }];
  });
}

/** Records a report in the transaction of its effect. Returns whether it changed anything. */
export async function recordSteps(
  trx: Transaction<Database>,
  attempt: { id: string; claimed_at: number },
  o: { reported: readonly StepState[]; now: number },
): Promise<boolean> {
  const recorded = await trx
    .selectFrom('steps')
    .selectAll()
    .where('attempt_id', '=', attempt.id)
    .orderBy('position')
    .execute();
  const changes = mergeSteps(recorded, o.reported, { claimedAt: attempt.claimed_at, now: o.now });
  for (const { position, values } of changes) {
    await trx
      .updateTable('steps')
      .set(values)
      .where('attempt_id', '=', attempt.id)
      .where('position', '=', position)
      .execute();
  }
  return changes.length > 0;
}
