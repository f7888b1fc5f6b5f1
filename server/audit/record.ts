import type { Transaction } from 'kysely';
import type { Actor } from '../auth/caller.ts';
import type { Database } from '../db/schema.ts';
import { canonicalJson, hashOf, NO_PREVIOUS_HASH } from './chain.ts';

/** What can be recorded: the kind of thing, then what was done to it. Part of the public contract, so never renamed. */
export type AuditAction =
  | `project.${'create' | 'change' | 'remove' | 'rotate-secret'}`
  | `build.${'create' | 'rebuild' | 'cancel' | 'prioritize' | 'approve' | 'pin' | 'unpin'}`
  | 'retention.remove'
  | 'job.retry'
  | 'delivery.redeliver'
  | `runner.${'add' | 'register' | 'refused' | 'change' | 'remove'}`
  | `user.${'create' | 'change' | 'remove' | 'link'}`
  | `member.${'set' | 'remove'}`
  | `token.${'create' | 'revoke'}`
  | `session.${'create' | 'end' | 'refused'}`
  | `secret.${'set' | 'remove'}`
  | `promotion.${'ask' | 'approve' | 'reject' | 'cancel' | 'void'}`
  | `deployment.${'start' | 'end'}`
  | 'policy.set'
  | `host.${'pin' | 'forget'}`
  | 'password.change';

/**
 * Records what somebody did, inside the transaction of the change itself: there is no change without its entry and no entry
 * without its change. `project` is a name; `subject` is what a person would call the thing (`shop #12`, `runner box-1`);
 * `detail` must hold no secret. Announce the topic `audit` after the commit.
 *
 * The entry continues the chain: its number is one more than the last (SQLite has one writer, and this transaction is it)
 * and its hash covers the hash before it (`chain.ts`).
 */
export async function recordAudit(
  trx: Transaction<Database>,
  entry: {
    at: number;
    by: Actor;
    action: AuditAction;
    project?: string | null;
    subject: string;
    reason?: string;
    detail?: object;
  },
): Promise<void> {
  const last = await trx
    .selectFrom('audit')
    .select(['seq', 'hash'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  const { at, by, action, project = null } = entry;
  const row = {
    seq: (last?.seq ?? 0) + 1,
    actor: storable(by.name),
    via: storable(by.via),
    action,
    project,
    subject: storable(entry.subject),
    reason: storable(entry.reason ?? ''),
  };
  const detail = canonicalJson(entry.detail ?? {});
  const previousHash = last?.hash ?? NO_PREVIOUS_HASH;
  const hash = hashOf({ ...row, at: new Date(at).toISOString(), detail: JSON.parse(detail), previousHash });
  await trx
    .insertInto('audit')
    .values({ ...row, at, detail, previous_hash: previousHash, hash })
    .execute();
}

/** As every database gives it back: the hash is of what was stored. PostgreSQL's texts hold no NUL, and UTF-8 no half of a pair. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}
