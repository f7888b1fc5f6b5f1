import type { Manifest } from '@reprise/server/artifacts/artifact.api.ts';

export type ManifestItem = Manifest['items'][number];

/** The entries whose path holds every word, in any case; all of them for no word. Half a million take a blink. */
export function matchingEntries(items: readonly ManifestItem[], text: string): readonly ManifestItem[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return items;
  return items.filter(({ path }) => {
    const lower = path.toLowerCase();
    return words.every((word) => lower.includes(word));
  });
}

/** Bytes of all files, unpacked. */
export function totalSize(items: readonly ManifestItem[]): number {
  return items.reduce((sum, item) => sum + (item.type === 'file' ? item.size : 0), 0);
}
