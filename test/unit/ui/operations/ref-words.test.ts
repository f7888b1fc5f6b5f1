import { refWords } from '@reprise/ui/operations/ref-words.ts';
import { expect, test } from 'vitest';

test.each([
  ['refs/heads/main', 'main'],
  ['refs/heads/release/2026', 'release/2026'],
  ['refs/heads/refs/heads/odd', 'refs/heads/odd'],
  ['refs/tags/v1.2', 'v1.2 (tag)'],
  ['refs/pull/31/head', 'pull request 31'],
  ['refs/pull/31/merge', 'pull request 31'],
  ['refs/notes/commits', 'refs/notes/commits'],
  ['main', 'main'],
  ['', ''],
  [null, ''],
])('%s', (ref, words) => {
  expect(refWords(ref)).toBe(words);
});
