import { iso } from '../api.ts';
import type { Services } from '../services.ts';
import type { SignedIn } from './account.api.ts';
import { SESSION_IDLE_MS } from './session.ts';

/** A user's browsers that are still signed in, the latest used first. `current`: the one that asks. */
export async function listSessions(
  { db, now }: Pick<Services, 'db' | 'now'>,
  userId: string,
  current: string,
): Promise<SignedIn[]> {
  const at = now();
  const rows = await db
    .selectFrom('sessions')
    .selectAll()
    .where('user_id', '=', userId)
    .where('expires_at', '>', at)
    .where('last_seen_at', '>', at - SESSION_IDLE_MS)
    .orderBy('last_seen_at', 'desc')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    current: row.id === current,
    userAgent: row.user_agent,
    address: row.address,
    createdAt: iso(row.created_at),
    lastSeenAt: iso(row.last_seen_at),
    expiresAt: iso(Math.min(row.expires_at, row.last_seen_at + SESSION_IDLE_MS)),
  }));
}
