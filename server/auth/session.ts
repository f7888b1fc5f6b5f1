import { createHash } from 'node:crypto';
import type { Transaction } from 'kysely';
import { newId, newToken } from '../db/id.ts';
import type { Database } from '../db/schema.ts';
import type { Services } from '../services.ts';

/** A session that nobody used for this long is over: a browser left open overnight does not stay open. */
export const SESSION_IDLE_MS = 12 * 3_600_000;
/** However busy, a session lasts no longer than this. */
export const SESSION_MAX_MS = 7 * 24 * 3_600_000;

/** Enough to tell two browsers apart; the header is a stranger's text. */
const LONGEST_USER_AGENT = 256;

/** From where a request comes, as sessions and records keep it. */
export interface Place {
  address: string;
  userAgent: string;
}

/**
 * Opens a session for a user: answers the cookie's value, which exists nowhere else (its sha256 is kept), and when it ends at
 * the latest. Sessions that are over are swept out on the way.
 */
export async function startSession(
  { now }: Pick<Services, 'now'>,
  trx: Transaction<Database>,
  { userId, userAgent, address }: Place & { userId: string },
): Promise<{ key: string; expiresAt: number }> {
  const at = now();
  await trx
    .deleteFrom('sessions')
    .where((eb) => eb.or([eb('expires_at', '<=', at), eb('last_seen_at', '<=', at - SESSION_IDLE_MS)]))
    .execute();
  const key = newToken('rps');
  const expiresAt = at + SESSION_MAX_MS;
  await trx
    .insertInto('sessions')
    .values({
      id: newId(),
      key_hash: hashOfKey(key),
      user_id: userId,
      user_agent: userAgent.slice(0, LONGEST_USER_AGENT),
      address,
      created_at: at,
      last_seen_at: at,
      expires_at: expiresAt,
    })
    .execute();
  return { key, expiresAt };
}

/** Ends sessions of a user; answers their ids, whose sockets must be closed once the change is committed. */
export async function endSessions(
  trx: Transaction<Database>,
  userId: string,
  which: { id?: string } = {},
): Promise<string[]> {
  const ended = await trx
    .deleteFrom('sessions')
    .where('user_id', '=', userId)
    .$if(which.id !== undefined, (query) => query.where('id', '=', which.id ?? ''))
    .returning('id')
    .execute();
  return ended.map(({ id }) => id);
}

/** What the database keeps of a session's key, an API token or a link: 256 random bits need no slow hash. */
export function hashOfKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
