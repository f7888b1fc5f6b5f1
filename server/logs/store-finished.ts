import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { sha256Of } from '../digest.ts';
import type { ObjectStore } from '../storage/objects.ts';
import { LogRows, RowsGone } from './log-rows.ts';
import { indexBytes, keysOfLog } from './stored-log.ts';

/** Logs looked at in one go. */
const AT_ONCE = 20;

/** A server that set out to store a log and has not after this long is dead, or the storage was: it is tried again. */
const AGAIN_MS = 5 * 60_000;

/** A log whose attempt never came into the database, because the server died in between, is nobody's after this. */
const NOBODYS_MS = 3_600_000;

/**
 * Moves the logs of attempts that have ended to the storage, and removes those that are nobody's; returns how many. Several
 * servers may do so at once: each log is taken by one.
 */
export async function storeFinished(
  db: Kysely<Database>,
  o: { now: number; store(attempt: string): Promise<void>; remove(attempt: string): Promise<void> },
): Promise<number> {
  const { now } = o;
  const found = await db
    .selectFrom('logs')
    .leftJoin('attempts', 'attempts.id', 'logs.attempt_id')
    .select(['logs.attempt_id as attempt', 'logs.tried_at', 'attempts.id as known'])
    .where('logs.stored', '=', 0)
    .where('logs.tried_at', '<', now - AGAIN_MS)
    .where((eb) =>
      eb.or([
        eb('attempts.status', '!=', 'running'),
        eb.and([eb('attempts.id', 'is', null), eb('logs.changed_at', '<', now - NOBODYS_MS)]),
      ]),
    )
    .orderBy('logs.tried_at')
    .limit(AT_ONCE)
    .execute();
  let done = 0;
  for (const { attempt, tried_at, known } of found) {
    const { numUpdatedRows } = await db
      .updateTable('logs')
      .set({ tried_at: now })
      .where('attempt_id', '=', attempt)
      .where('tried_at', '=', tried_at)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) continue;
    await (known === null ? o.remove(attempt) : o.store(attempt));
    done += 1;
  }
  return done;
}

/**
 * Writes a log and its index to the storage, and when both are durable there deletes its rows. A log that changed meanwhile
 * keeps its rows; what was written is written again.
 */
export async function storeLog(
  { db, objects }: { db: Kysely<Database>; objects: ObjectStore },
  attempt: string,
): Promise<void> {
  const head = await db
    .selectFrom('logs')
    .selectAll()
    .where('attempt_id', '=', attempt)
    .where('stored', '=', 0)
    .executeTakeFirst();
  if (!head) return;
  const rows = new LogRows(db, head);
  const keys = keysOfLog(attempt);
  let sha256: string;
  try {
    sha256 = await sha256Of(rows.bytes());
    await objects.put(keys.log, rows.bytes());
    await objects.put(keys.index, indexBytes(rows.index()));
  } catch (error) {
    // Another server was done first: nothing of what was begun here is to be seen.
    if (error instanceof RowsGone) return;
    throw error;
  }
  await db.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('logs')
      .set({ stored: 1, sha256 })
      .where('attempt_id', '=', attempt)
      .where('size', '=', head.size)
      .where('changed_at', '=', head.changed_at)
      .executeTakeFirst();
    if (numUpdatedRows > 0n) await trx.deleteFrom('log_chunks').where('attempt_id', '=', attempt).execute();
  });
}
