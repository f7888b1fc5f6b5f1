import { type ManifestItem, matchingEntries, totalSize } from '@reprise/ui/builds/manifest-search.ts';
import { expect, test } from 'vitest';

const sha256 = 'a'.repeat(64);
const items: ManifestItem[] = [
  { type: 'directory', path: 'dist', mode: '0755' },
  { type: 'file', path: 'dist/Index.html', mode: '0644', size: 120, sha256 },
  { type: 'file', path: 'dist/assets/index.js', mode: '0644', size: 3000, sha256 },
  { type: 'link', path: 'dist/latest', link: 'assets/index.js' },
];

const found = (text: string) => matchingEntries(items, text).map(({ path }) => path);

test('an entry is found by every word of its path, in any case and order', () => {
  expect(found('index')).toEqual(['dist/Index.html', 'dist/assets/index.js']);
  expect(found('JS  asset')).toEqual(['dist/assets/index.js']);
  expect(found('index nothing')).toEqual([]);
});

test('no word finds all', () => {
  expect(matchingEntries(items, '  ')).toBe(items);
});

test('only files have a size', () => {
  expect(totalSize(items)).toBe(3120);
});
