import type { Advertised } from '../git/upstream.ts';

/** A head that is new, and since when that is known. */
interface Pending {
  object: string;
  since: number;
}

/** What is remembered of a project's branches and tags, as JSON. */
export interface Remembered {
  /** Ref to the object it named; null: nobody has looked yet. */
  refs: Record<string, string> | null;
  pending: Record<string, Pending>;
}

/** A head that nobody announced. */
export interface Found {
  ref: string;
  /** What the ref names: of an annotated tag the tag object. */
  object: string;
  commit: string;
  /** Where the ref was before; null: nowhere. */
  before: string | null;
}

/** A webhook may come a little later than the push is seen. */
export const GRACE_MS = 2 * 60_000;

/**
 * Compares what upstream has with what is remembered. `known`: refs whose heads were announced or built. Returns what to
 * remember, and the heads that waited for their webhook long enough, at most `most`; until those are remembered as `before`, they stay
 * pending.
 */
export function compare(
  heads: ReadonlyMap<string, Advertised>,
  { refs, pending }: Remembered,
  o: { known: ReadonlySet<string>; now: number; most: number },
): { remembered: Remembered; found: Found[] } {
  const remembered = { refs: {} as Record<string, string>, pending: {} as Record<string, Pending> };
  const found: Found[] = [];
  for (const [ref, { object, commit }] of heads) {
    const before = refs?.[ref] ?? null;
    if (refs === null || before === object || o.known.has(ref)) {
      remembered.refs[ref] = object;
      continue;
    }
    if (before !== null) remembered.refs[ref] = before;
    const waiting = pending[ref];
    const since = waiting?.object === object ? waiting.since : o.now;
    remembered.pending[ref] = { object, since };
    if (o.now - since >= GRACE_MS && found.length < o.most) found.push({ ref, object, commit, before });
  }
  return { remembered, found };
}

/** Refs whose heads are not those remembered. */
export function changed(heads: ReadonlyMap<string, Advertised>, { refs }: Remembered): string[] {
  if (refs === null) return [];
  return [...heads].filter(([ref, { object }]) => refs[ref] !== object).map(([ref]) => ref);
}
