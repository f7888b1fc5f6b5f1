import { ArtifactProblem } from './problem.ts';

/**
 * Refuses a path that could not be unpacked to the same name by every tar and on every file system. `path` is relative,
 * with `/` between its components.
 *
 * Refused: empty, absolute, `.` or `..` or nothing as a component; control characters (a newline breaks pax records and
 * lists, an escape breaks terminals); bytes that are not UTF-8 (they arrive here as U+FFFD).
 */
export function assertName(path: string): void {
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..'))
    throw new ArtifactProblem(`"${show(path)}" is not a plain path below the artifact's top folder.`);
  assertText('name', path);
}

/** The part of `assertName` that holds for the targets of links too. */
export function assertText(what: 'name' | 'link target', text: string): void {
  if (text.includes('\ufffd'))
    throw new ArtifactProblem(`The ${what} "${show(text)}" is not valid UTF-8. Rename or exclude it.`);
  if (CONTROL.test(text))
    throw new ArtifactProblem(
      `The ${what} "${show(text)}" contains a control character. Rename or exclude it.`,
    );
}

const CONTROL = /[\u0000-\u001f\u007f]/;

/** A path as a log may show it: control characters as `\x0a`. */
export function show(path: string): string {
  return path.replace(/[\u0000-\u001f\u007f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/**
 * Refuses two paths that some file systems take for one: equal but for case, or for how an accent is encoded. Unpacked
 * there, one would silently overwrite the other.
 */
export class Twins {
  readonly #seen = new Map<string, string>();

  add(path: string): void {
    const key = path.normalize('NFC').toLowerCase();
    const other = this.#seen.get(key);
    if (other === path) throw new ArtifactProblem(`"${path}" occurs twice.`);
    if (other !== undefined)
      throw new ArtifactProblem(
        `"${other}" and "${path}" differ only in case or in how an accent is encoded, so they cannot be unpacked everywhere. Rename or exclude one.`,
      );
    this.#seen.set(key, path);
  }
}

/** The artifact's order: by the bytes of the path in UTF-8 (a parent always precedes what it holds). */
export function sortByBytes<T extends { path: string }>(entries: Iterable<T>): T[] {
  return Array.from(entries, (entry) => ({ entry, bytes: Buffer.from(entry.path) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ entry }) => entry);
}
