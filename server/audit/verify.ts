import { isSignedBy } from '../signer.ts';
import { type AuditEntry, type AuditHead, auditEntrySchema, auditHeadSchema } from './audit.api.ts';
import { hashOf, NO_PREVIOUS_HASH } from './chain.ts';
import { signedText } from './head.ts';

/** What checking an exported audit has found. `problems` are sentences; none: it is whole, up to its head. */
export interface AuditVerdict {
  entries: number;
  head: AuditHead | null;
  problems: string[];
}

/**
 * Checks an exported audit line by line, in little memory: each entry's hash, that each follows the one before it, that its signed head is
 * the last of them, and that an earlier head (`since`) is still part of it. `publicKeys`: SPKI, PEM, of those whose heads are believed.
 */
export async function verifyAudit(
  lines: AsyncIterable<string>,
  { publicKeys, since }: { publicKeys: readonly string[]; since: AuditHead | null },
): Promise<AuditVerdict> {
  const problems: string[] = [];
  let previous = { seq: 0, hash: NO_PREVIOUS_HASH };
  let head: AuditHead | null = null;
  let number = 0;
  let sinceHash = since?.seq === 0 ? NO_PREVIOUS_HASH : null;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === '') continue;
    if (head !== null)
      return { entries: previous.seq, head, problems: [...problems, `Line ${number} follows the head.`] };
    const said = read(line);
    if (said === null)
      return {
        entries: previous.seq,
        head,
        problems: [`Line ${number} is neither an entry of the audit nor its head.`],
      };
    if ('head' in said) {
      head = said.head;
      continue;
    }
    const { entry } = said;
    const broken = whyBroken(entry, previous);
    // Everything after the first break is wrong because of it.
    if (broken !== null) return { entries: previous.seq, head, problems: [broken] };
    if (entry.seq === since?.seq) sinceHash = entry.hash;
    previous = entry;
  }
  if (head === null)
    problems.push('It has no head at its end, so entries may have been cut off: export it again, whole.');
  else problems.push(...wrongHead(head, previous, publicKeys));
  if (since) problems.push(...wrongSince(since, { sinceHash, last: previous.seq, publicKeys }));
  return { entries: previous.seq, head, problems };
}

function read(line: string): { entry: AuditEntry } | { head: AuditHead } | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const entry = auditEntrySchema.safeParse(value);
  if (entry.success) return { entry: entry.data };
  const head = auditHeadSchema.safeParse((value as { head?: unknown } | null)?.head);
  return head.success ? { head: head.data } : null;
}

/** A sentence where an entry was changed or does not follow the one before it; null: it does. */
export function whyBroken(entry: AuditEntry, previous: { seq: number; hash: string }): string | null {
  if (entry.seq !== previous.seq + 1)
    return `Entry ${previous.seq + 1} is missing: entry ${entry.seq} follows entry ${previous.seq}.`;
  if (entry.previousHash !== previous.hash)
    return `Entry ${entry.seq} does not follow what is here as entry ${previous.seq}: one of them was changed.`;
  if (entry.hash !== hashOf(entry))
    return `Entry ${entry.seq} was changed: its hash is not that of its content.`;
  return null;
}

function wrongHead(head: AuditHead, last: { seq: number; hash: string }, keys: readonly string[]): string[] {
  const problems: string[] = [];
  if (!isOurs(head, keys))
    problems.push(`The head is not signed by a key that is known here (${head.keyId}).`);
  if (head.seq > last.seq)
    problems.push(`The end is cut off: the head is entry ${head.seq}, the last entry here is ${last.seq}.`);
  else if (head.seq < last.seq || head.hash !== last.hash)
    problems.push(`The head (entry ${head.seq}) is not that of the entries before it.`);
  return problems;
}

function wrongSince(
  since: AuditHead,
  { sinceHash, last, publicKeys }: { sinceHash: string | null; last: number; publicKeys: readonly string[] },
): string[] {
  const when = `The head kept on ${since.at} (entry ${since.seq})`;
  const problems: string[] = [];
  if (!isOurs(since, publicKeys)) problems.push(`${when} is not signed by a key that is known here.`);
  if (since.seq > last)
    problems.push(`${when} is not here any more: the audit ends with entry ${last}. Its end was cut off.`);
  else if (sinceHash !== since.hash)
    problems.push(`${when} is no part of this audit: what was recorded up to there was written anew.`);
  return problems;
}

function isOurs(head: AuditHead, keys: readonly string[]): boolean {
  return keys.some((key) => isSignedBy(key, signedText(head), head));
}
