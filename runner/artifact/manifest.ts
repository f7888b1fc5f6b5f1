import { createHash } from 'node:crypto';
import type { ManifestEntry } from '../protocol.ts';

/**
 * The manifest as it is stored: JSON, one entry a line, in the artifact's order and with the keys in the schema's order, so
 * that equal trees give equal bytes and two manifests can be compared line by line without being held in memory.
 */
export function manifestLine(entry: ManifestEntry, first: boolean): string {
  return `${first ? '[\n' : ',\n'}${JSON.stringify(inOrder(entry))}`;
}

/** What follows the last entry, or stands for a manifest without any. */
export function manifestEnd(empty: boolean): string {
  return empty ? '[]\n' : '\n]\n';
}

/**
 * The artifact's identity: sha256 over a form of the tree that no version of JSON, tar or zlib has a part in. It is the
 * text `reprise tree 1`, NUL, and then for each entry, in the order of the bytes of their paths (all in UTF-8):
 *
 *     file 0644 <sha256 of its content, 64 hex digits> NUL <path> NUL
 *     directory 0755 NUL <path> NUL
 *     link NUL <path> NUL <target> NUL
 *
 * `path` is below the top folder, without a trailing slash. No name can hold a NUL, so no two trees share a form.
 */
export class TreeDigest {
  readonly #hash = createHash('sha256').update('reprise tree 1\0');

  add(entry: ManifestEntry): void {
    switch (entry.type) {
      case 'file':
        this.#hash.update(`file ${entry.mode} ${entry.sha256}\0${entry.path}\0`);
        return;
      case 'directory':
        this.#hash.update(`directory ${entry.mode}\0${entry.path}\0`);
        return;
      case 'link':
        this.#hash.update(`link\0${entry.path}\0${entry.target}\0`);
        return;
      default:
        entry satisfies never;
    }
  }

  hex(): string {
    return this.#hash.copy().digest('hex');
  }
}

function inOrder(entry: ManifestEntry): ManifestEntry {
  const { type, path } = entry;
  if (type === 'file') return { type, path, mode: entry.mode, size: entry.size, sha256: entry.sha256 };
  if (type === 'directory') return { type, path, mode: entry.mode };
  return { type, path, target: entry.target };
}
