import { TreeDigest } from '../artifact/manifest.ts';
import { sortByBytes } from '../artifact/names.ts';
import type { ManifestEntry } from '../protocol.ts';
import type { Said } from './hosts/session.ts';

/** What was measured of a release on a host: entries (a file's `size` is not measured) and the paths that are missing. */
export interface Measured {
  entries: ManifestEntry[];
  missing: string[];
}

/** Files that every release gets, whatever the artifact holds. */
const OWN = ['REVISION', 'REVISION_TIME', 'RELEASE.json'];

/**
 * Reads what `MEASURE` said. Paths that are shared links or files of our own are left out: they are not the artifact's. Throws when
 * the lists do not fit each other, as they only would if a name held a line break, which no artifact's does.
 */
export function readMeasured(said: Said, shared: readonly string[]): Measured {
  const targets = lines(said.get('targets'));
  const sums = new Map(lines(said.get('sums')).map(readSum));
  const entries: ManifestEntry[] = [];
  const missing: string[] = [];
  for (const line of lines(said.get('kinds'))) {
    const [kind, path] = [line.charAt(0), line.slice(1)];
    const target = kind === 'l' ? targets.shift() : undefined;
    if (isApart(path, shared)) continue;
    if (kind === 'm') missing.push(path);
    else if (kind === 'd') entries.push({ type: 'directory', path, mode: '0755' });
    else if (target !== undefined) entries.push({ type: 'link', path, target });
    else {
      const sha256 = sums.get(path);
      if (sha256 === undefined) throw new Error(`${path} could not be read`);
      entries.push({ type: 'file', path, mode: kind === 'x' ? '0755' : '0644', size: 0, sha256 });
    }
  }
  return { entries: sortByBytes(entries), missing };
}

/** The identity of what was measured; that of the artifact itself when nothing of it was changed or shared. */
export function measuredDigest({ entries }: Measured): string {
  const digest = new TreeDigest();
  for (const entry of entries) digest.add(entry);
  return digest.hex();
}

/** The manifest that stays on the host beside the release: a line for each entry, columns between tabs, the path in the fourth. */
export function manifestText(measured: Measured): string {
  const rows = measured.entries.map((entry) => {
    if (entry.type === 'file') return ['file', entry.mode, entry.sha256, entry.path];
    if (entry.type === 'directory') return ['directory', entry.mode, '-', entry.path];
    return ['link', '-', '-', entry.path, entry.target];
  });
  return [['reprise manifest 1', measuredDigest(measured)], ...rows]
    .map((row) => `${row.join('\t')}\n`)
    .join('');
}

/** The entries of a manifest's text, by path, as one comparable text each. */
export function readManifest(text: string): Map<string, string> {
  const [, ...rows] = lines(text);
  return new Map(
    rows.map((row) => {
      const [type = '', mode = '', sha256 = '', path = '', target = ''] = row.split('\t');
      return [path, [type, mode, sha256, target].join('\t')];
    }),
  );
}

/** What is not as the manifest says. */
export function compare(
  recorded: ReadonlyMap<string, string>,
  measured: Measured,
): { path: string; change: 'changed' | 'missing' }[] {
  const now = readManifest(manifestText(measured));
  return [...recorded]
    .filter(([path, entry]) => now.get(path) !== entry)
    .map(([path]) => ({ path, change: now.has(path) ? 'changed' : 'missing' }));
}

function isApart(path: string, shared: readonly string[]): boolean {
  if (OWN.includes(path)) return true;
  return shared.some((item) => {
    const name = item.replace(/\/$/, '');
    return path === name || path.startsWith(`${name}/`);
  });
}

/** `<sum>  ./<path>`; GNU puts a backslash before a line whose name has backslashes, which it doubles. */
function readSum(line: string): [string, string] {
  const isEscaped = line.startsWith('\\');
  const [, sum = '', path = ''] = /^\\?([0-9a-f]{64}) [ *](?:\.\/)?(.*)$/.exec(line) ?? [];
  return [isEscaped ? path.replaceAll('\\\\', '\\') : path, sum];
}

function lines(text: string | null): string[] {
  return text === null || text === '' ? [] : text.replace(/\n$/, '').split('\n');
}
