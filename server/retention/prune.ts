import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';
import { removeLater } from './removals.ts';

const DAY_MS = 24 * 3_600_000;

/** How long it is kept what was delivered. GitHub itself shows deliveries of the last days only. */
const DELIVERIES_MS = 90 * DAY_MS;
/** How long the logs of looks at hosts are kept; the newest of each place stays, and what it found is recorded elsewhere. */
const PROBES_MS = 7 * DAY_MS;

/** Rows removed in one transaction. */
const AT_ONCE = 200;

/** Removes old deliveries; returns how many: call it again until there are none. */
export async function pruneDeliveries(db: Kysely<Database>, now: number): Promise<number> {
  const oldest = await db
    .selectFrom('deliveries')
    .select(['seq', 'received_at'])
    .orderBy('seq')
    .limit(AT_ONCE)
    .execute();
  const old = oldest.filter(({ received_at }) => received_at < now - DELIVERIES_MS).map(({ seq }) => seq);
  if (old.length > 0) await db.deleteFrom('deliveries').where('seq', 'in', old).execute();
  return old.length;
}

/** Removes old looks at hosts with their jobs and logs, but for the newest of each place; returns how many. */
export async function pruneProbes(db: Kysely<Database>, now: number): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const old = await trx
      .selectFrom('deployments')
      .select('deployments.id')
      .where('deployments.kind', '=', sql.lit('probe' as const))
      .where('deployments.queued_at', '<', now - PROBES_MS)
      .where('deployments.finished_at', 'is not', null)
      .where((eb) =>
        eb.exists(
          eb
            .selectFrom('deployments as newer')
            .select('newer.id')
            .whereRef('newer.project_id', '=', 'deployments.project_id')
            .whereRef('newer.environment', '=', 'deployments.environment')
            .whereRef('newer.seq', '>', 'deployments.seq'),
        ),
      )
      .orderBy('deployments.queued_at')
      .limit(AT_ONCE)
      .execute();
    if (old.length === 0) return 0;
    const ids = old.map(({ id }) => id);
    const attempts = await trx
      .selectFrom('attempts')
      .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
      .select('attempts.id')
      .where('jobs.deployment_id', 'in', ids)
      .execute();
    const logs = attempts.map(({ id }) => id);
    await removeLater(trx, 'logs', logs, now);
    await trx.deleteFrom('deployments').where('id', 'in', ids).execute();
    return ids.length;
  });
}
