import type { ManifestEntry } from '@reprise/runner/protocol.ts';
import type { Difference } from '../api.ts';

/** Differences listed; more than these nobody reads, so they are only counted. */
const MOST_LISTED = 1000;

/**
 * What changed from one manifest to another. Both come in the order of the bytes of their paths, so one walk side by side
 * tells, holding one entry of each.
 */
export async function findDifferences(
  before: AsyncIterator<ManifestEntry>,
  after: AsyncIterator<ManifestEntry>,
): Promise<{ differences: Difference[]; count: number }> {
  const differences: Difference[] = [];
  let count = 0;
  let [old, young] = await Promise.all([before.next(), after.next()]);
  while (!old.done || !young.done) {
    const order = compare(old.done ? null : old.value.path, young.done ? null : young.value.path);
    const left = order <= 0 ? (old.value ?? null) : null;
    const right = order >= 0 ? (young.value ?? null) : null;
    const difference = describe(left, right);
    if (difference) {
      count += 1;
      if (differences.length < MOST_LISTED) differences.push(difference);
    }
    if (left) old = await before.next();
    if (right) young = await after.next();
  }
  return { differences, count };
}

/** An ended list sorts after everything. */
function compare(left: string | null, right: string | null): number {
  if (left === right) return 0;
  if (left === null) return 1;
  if (right === null) return -1;
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function describe(before: ManifestEntry | null, after: ManifestEntry | null): Difference | null {
  const path = before?.path ?? after?.path ?? '';
  const sha256: Difference['sha256'] = [digestOf(before), digestOf(after)];
  if (!before) return { path, change: 'added', sha256 };
  if (!after) return { path, change: 'removed', sha256 };
  if (formOf(before) === formOf(after)) return null;
  const modes = [modeOf(before), modeOf(after)] as const;
  return { path, change: 'changed', sha256, ...(modes[0] === modes[1] ? {} : { mode: [...modes] }) };
}

function digestOf(entry: ManifestEntry | null): string | null {
  return entry?.type === 'file' ? entry.sha256 : null;
}

function modeOf(entry: ManifestEntry): string {
  return entry.type === 'link' ? `link to ${entry.target}` : `${entry.type} ${entry.mode}`;
}

function formOf(entry: ManifestEntry): string {
  return `${modeOf(entry)} ${digestOf(entry)}`;
}
