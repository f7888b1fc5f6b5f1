import type { Kysely } from 'kysely';
import type { Database, Runner } from '../db/schema.ts';
import { RUNNING } from '../queue/literals.ts';
import type { Services } from '../services.ts';

/** Renewals missed until a runner counts as gone. */
const SILENT_RENEWALS = 2;

/** Whether a runner's process is alive as far as is known here: it stands with a request, or was heard of lately. */
export function isConnected(
  { queue, config, now }: Pick<Services, 'queue' | 'config' | 'now'>,
  runner: Pick<Runner, 'id' | 'last_seen_at'>,
): boolean {
  if (queue.presence.isStanding(runner.id)) return true;
  return (runner.last_seen_at ?? 0) > now() - SILENT_RENEWALS * config.times.renewMs;
}

/** A runner, whether it is there, and how many attempts it executes. */
export interface RunnerState {
  runner: Runner;
  labels: string[];
  connected: boolean;
  running: number;
}

export async function runnerStates(
  services: Pick<Services, 'reader' | 'queue' | 'config' | 'now'>,
): Promise<RunnerState[]> {
  const runners = await services.reader.selectFrom('runners').selectAll().orderBy('name').execute();
  const counts = await services.reader
    .selectFrom('attempts')
    .select(['runner_id', (eb) => eb.fn.countAll<number>().as('running')])
    .where('status', '=', RUNNING)
    .groupBy('runner_id')
    .execute();
  const running = new Map(counts.map((row) => [row.runner_id, Number(row.running)]));
  return runners.map((runner) => ({
    runner,
    labels: JSON.parse(runner.labels),
    connected: isConnected(services, runner),
    running: running.get(runner.id) ?? 0,
  }));
}

export function findRunner(db: Kysely<Database>, name: string): Promise<Runner | undefined> {
  return db.selectFrom('runners').selectAll().where('name', '=', name).executeTakeFirst();
}
