import { iso } from '../api.ts';
import type { AuditRow } from '../db/schema.ts';
import type { AuditEntry } from './audit.api.ts';

/** An entry as the API shows it, and as its hash covers it. */
export function viewEntry({ at, detail, previous_hash: previousHash, ...row }: AuditRow): AuditEntry {
  return { ...row, at: iso(at), detail: JSON.parse(detail), previousHash };
}
