import type { Transaction } from 'kysely';
import type { Database, Runner } from '../db/schema.ts';

/** Of so many builds attempts must break in a row, so that a single one that kills its runners puts none of them aside. */
const MOST_BROKEN = 3;
/** The first pause is so many times that after which a lease is lost: five minutes. */
const PAUSE_LEASES = 2;
/** Then it no longer doubles: five hours. */
const MOST_DOUBLED = 6;

/** What is recorded of a runner that is trusted again. */
export const TRUSTED = {
  broken: '[]',
  broken_at: null,
  aside_since: null,
  aside_times: 0,
  aside_why: '',
} as const;

/**
 * Puts a runner aside on which attempts break one after the other for no fault of theirs, and takes it back once one ends
 * well. What ran beside the attempt that broke last says nothing new: a machine that loses four at once lost them once.
 * Put aside it is given nothing for a while, then one job to be tried with; each time that breaks, too, the while doubles.
 */
export async function judgeRunner(
  trx: Transaction<Database>,
  attempt: { runner_id: string | null; claimed_at: number; build_id: string },
  { ended, why, now }: { ended: 'well' | 'broken'; why: string; now: number },
): Promise<void> {
  if (attempt.runner_id === null) return;
  const runner = await trx
    .selectFrom('runners')
    .select(['id', 'broken', 'broken_at', 'aside_since', 'aside_times'])
    .where('id', '=', attempt.runner_id)
    .executeTakeFirst();
  if (!runner || attempt.claimed_at < (runner.broken_at ?? 0)) return;
  const change = ended === 'well' ? TRUSTED : afterBreak(runner, { ...attempt, why, now });
  if (ended === 'well' && runner.broken_at === null) return;
  await trx.updateTable('runners').set(change).where('id', '=', runner.id).execute();
}

function afterBreak(
  runner: Pick<Runner, 'broken' | 'aside_since' | 'aside_times'>,
  { build_id, why, now }: { build_id: string; why: string; now: number },
): Partial<Runner> {
  const builds = [...new Set<string>([...JSON.parse(runner.broken), build_id])];
  const broken = { broken: JSON.stringify(builds), broken_at: now };
  if (runner.aside_since === null && builds.length < MOST_BROKEN) return broken;
  return {
    ...broken,
    aside_since: runner.aside_since ?? now,
    aside_times: runner.aside_times + 1,
    aside_why: `attempts of ${builds.length} builds in a row broke on it, the last because ${why}`,
  };
}

type Judged = Pick<Runner, 'broken_at' | 'aside_since' | 'aside_times'>;

/** When a runner that is put aside is tried with one job. */
export function triedAt({ broken_at, aside_times }: Judged, leaseMs: number): number {
  const doubled = Math.min(MOST_DOUBLED, Math.max(0, aside_times - 1));
  return (broken_at ?? 0) + PAUSE_LEASES * leaseMs * 2 ** doubled;
}

/** Whether it is given nothing now. `running`: how many attempts it has. */
export function isAside(
  runner: Judged,
  { running, now, leaseMs }: { running: number; now: number; leaseMs: number },
): boolean {
  return runner.aside_since !== null && (triedAt(runner, leaseMs) > now || running > 0);
}
