import { lookUp } from './batch.ts';
import { type Git, read } from './git.ts';
import { isPublicRef, isSha, isShaPrefix, isShortRef } from './names.ts';

/** What a name that somebody typed stands for. */
export interface ResolvedRef {
  /** The commit's full object name. */
  sha: string;
  /** The full ref, or the empty string for an object name. */
  ref: string;
  branch: string | null;
  tag: string | null;
}

/**
 * The commit behind a full ref, a branch, a tag, or a full or shortened object name; a branch wins over a tag of the same
 * name, and both over a shortened object name. null: nothing, several commits, or not a well-formed name. One process.
 */
export async function resolve(git: Git, name: string): Promise<ResolvedRef | null> {
  const candidates = candidatesFor(name);
  if (candidates.length === 0) return null;
  const found = await lookUp(
    git,
    candidates.map(({ ask }) => `${ask}^{commit}`),
  );
  for (const [at, candidate] of candidates.entries()) {
    const object = found[at];
    if (object) return { sha: object.sha, ...refOf(candidate.ref) };
  }
  return null;
}

/** Up to five branches and tags whose names are most like `name`, the likest first. */
export async function nearest(git: Git, name: string): Promise<string[]> {
  const wanted = name
    .replace(/^refs\/(heads|tags)\//, '')
    .slice(0, LONGEST_COMPARED)
    .toLowerCase();
  const listed = await read(git, ['for-each-ref', '--format=%(refname:lstrip=2)', 'refs/heads', 'refs/tags']);
  const names = [...new Set(listed.toString().split('\n').filter(Boolean))];
  return names
    .map((known) => ({ known, distance: likeness(wanted, known.toLowerCase()) }))
    .filter(({ distance }) => distance < Number.POSITIVE_INFINITY)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 5)
    .map(({ known }) => known);
}

/** Of each name: comparing ten thousand whole ones would hold the server up. */
const LONGEST_COMPARED = 40;

function candidatesFor(name: string): { ask: string; ref: string }[] {
  if (isSha(name)) return [{ ask: name, ref: '' }];
  const candidates: { ask: string; ref: string }[] = [];
  if (isPublicRef(name)) candidates.push({ ask: name, ref: name });
  if (isShortRef(name)) {
    for (const folder of ['refs/heads', 'refs/tags'])
      candidates.push({ ask: `${folder}/${name}`, ref: `${folder}/${name}` });
  }
  if (isShaPrefix(name)) candidates.push({ ask: name.toLowerCase(), ref: '' });
  return candidates;
}

function refOf(ref: string): Pick<ResolvedRef, 'ref' | 'branch' | 'tag'> {
  const [, kind, name = ''] = /^refs\/(heads|tags)\/(.*)$/.exec(ref) ?? [];
  return { ref, branch: kind === 'heads' ? name : null, tag: kind === 'tags' ? name : null };
}

/** Smaller is liker. A name within another is near; otherwise at most a third of the letters may differ. */
function likeness(wanted: string, known: string): number {
  if (wanted === known) return 0;
  if (known.includes(wanted) || wanted.includes(known))
    return 1 + Math.abs(known.length - wanted.length) / 100;
  const distance = editDistance(wanted, known.slice(0, LONGEST_COMPARED));
  return distance <= Math.max(2, wanted.length / 3) ? 2 + distance : Number.POSITIVE_INFINITY;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
