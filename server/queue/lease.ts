import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { RUNNING } from './literals.ts';

/** Renews the leases of these running attempts, in one statement. */
export async function renewLeases(
  db: Kysely<Database>,
  attempts: readonly string[],
  until: number,
): Promise<void> {
  if (attempts.length === 0) return;
  await db
    .updateTable('attempts')
    .set({ lease_expires_at: until })
    .where('id', 'in', attempts)
    .where('status', '=', 'running')
    .execute();
}

/** When the server starts: runners could not renew while it was away, so every lease begins anew. */
export async function renewAllLeases(db: Kysely<Database>, until: number): Promise<void> {
  await db.updateTable('attempts').set({ lease_expires_at: until }).where('status', '=', RUNNING).execute();
}

export async function expiredAttempts(db: Kysely<Database>, now: number): Promise<string[]> {
  const rows = await db
    .selectFrom('attempts')
    .select('id')
    .where('status', '=', RUNNING)
    .where('lease_expires_at', '<=', now)
    .execute();
  return rows.map(({ id }) => id);
}
