import { createHash } from 'node:crypto';
import type { AuditEntry } from './audit.api.ts';

/** What the first entry has in the place of a hash before it. */
export const NO_PREVIOUS_HASH = '0'.repeat(64);

/** An entry without its own hash: what that hash covers. */
export type Unhashed = Omit<AuditEntry, 'hash'>;

/**
 * The hash of an entry: sha256 (lower-case hex) of the UTF-8 bytes of its canonical JSON (RFC 8785: no white space, members
 * sorted by name), `hash` itself left out. It is made from an entry exactly as `GET /api/audit` answers it, so that any
 * program which can ask for the entries can check them.
 */
export function hashOf(entry: Unhashed): string {
  const { seq, at, actor, via, action, project, subject, reason, detail, previousHash } = entry;
  const covered = { seq, at, actor, via, action, project, subject, reason, detail, previousHash };
  return createHash('sha256').update(canonicalJson(covered)).digest('hex');
}

/**
 * The `seq` of the first entry that is not what was once recorded: edited, put elsewhere, or without the one before it. null:
 * the chain holds. `entries` are all there are, oldest first.
 */
export function firstBroken(entries: Iterable<AuditEntry>): number | null {
  let previous = { seq: 0, hash: NO_PREVIOUS_HASH };
  for (const entry of entries) {
    const follows = entry.seq === previous.seq + 1 && entry.previousHash === previous.hash;
    if (!follows || entry.hash !== hashOf(entry)) return entry.seq;
    previous = entry;
  }
  return null;
}

/** RFC 8785. Members that are undefined are left out; unpaired surrogates, which UTF-8 cannot hold, become U+FFFD. */
export function canonicalJson(value: unknown): string {
  return write(JSON.parse(JSON.stringify(value)));
}

function write(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.toWellFormed());
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${write(name)}:${write(member)}`).join(',')}}`;
}
