import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import type { Services } from '../services.ts';
import { Signer } from '../signer.ts';
import type { AuditHead } from './audit.api.ts';
import { canonicalJson, NO_PREVIOUS_HASH } from './chain.ts';

/** The newest entry's number and hash, signed: who keeps it sees later whether anything up to there was taken away or changed. */
export async function auditHead({
  reader,
  vault,
  now,
}: Pick<Services, 'reader' | 'vault' | 'now'>): Promise<AuditHead> {
  const { seq, hash } = await lastEntry(reader);
  const head = { seq, hash, at: new Date(now()).toISOString() };
  return { ...head, ...new Signer(vault).sign(signedText(head)) };
}

/** What the signature of a head covers: its `seq`, `hash` and `at` as canonical JSON (RFC 8785). */
export function signedText({ seq, hash, at }: Pick<AuditHead, 'seq' | 'hash' | 'at'>): string {
  return canonicalJson({ seq, hash, at });
}

async function lastEntry(db: Kysely<Database>): Promise<{ seq: number; hash: string }> {
  const last = await db
    .selectFrom('audit')
    .select(['seq', 'hash'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return last ?? { seq: 0, hash: NO_PREVIOUS_HASH };
}
