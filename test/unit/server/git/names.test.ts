import { isPublicRef, isSha, isShaPrefix, isShortRef, isTreePath } from '@reprise/server/git/names.ts';
import { expect, test } from 'vitest';

const HOSTILE = [
  '',
  '--upload-pack=touch /tmp/x',
  '-oProxyCommand=id',
  'a\nb',
  'a\0b',
  'a b',
  'a..b',
  '../../etc/passwd',
  'a//b',
  '/a',
  'a/',
  '.a',
  'a/.b',
  'a.lock',
  'a.lock/b',
  'a.',
  'a@{1}',
  'a~1',
  'a^{tree}',
  'a:b',
  'a?',
  'a*',
  'a[b',
  'a\\b',
  'a\x7f',
  'x'.repeat(2000),
];

test.each(HOSTILE)('%j is no ref, however it is asked for', (name) => {
  expect(isShortRef(name)).toBe(false);
  if (!name.startsWith('-')) {
    expect(isPublicRef(`refs/heads/${name}`)).toBe(false);
    expect(isPublicRef(`refs/tags/${name}`)).toBe(false);
  }
});

test.each(['main', 'release/1.2', 'v1.0.0', 'feature/ä', '🚀', 'a-b_c', '#7', "o'neil", '$(id)'])(
  '%j is a ref that may be built',
  (name) => {
    expect(isShortRef(name)).toBe(true);
    expect(isPublicRef(`refs/heads/${name}`)).toBe(true);
  },
);

test("Reprise's own refs and bare folders are not asked for by name", () => {
  for (const name of [
    'refs/reprise/keep/1',
    'refs/heads/',
    'refs/heads',
    'HEAD',
    'refs/notes/x',
    'heads/main',
  ])
    expect(isPublicRef(name)).toBe(false);
  expect(isPublicRef('refs/pull/7/head')).toBe(true);
});

test('object names are told from what only looks like one', () => {
  expect(isSha('a'.repeat(40))).toBe(true);
  for (const text of ['a'.repeat(39), 'a'.repeat(41), 'A'.repeat(40), 'g'.repeat(40), `${'a'.repeat(40)}\n`])
    expect(isSha(text)).toBe(false);
  expect(isShaPrefix('abcd')).toBe(true);
  expect(isShaPrefix('ABCDEF')).toBe(true);
  for (const text of ['abc', 'abcg', 'abcd\n', '-abcd']) expect(isShaPrefix(text)).toBe(false);
});

test('a path in a tree is relative and plain', () => {
  for (const path of ['.reprise.yml', 'a/b c/ä.txt', '...']) expect(isTreePath(path)).toBe(true);
  for (const path of ['', '/a', 'a/../b', './a', 'a//b', 'a\nb', 'a\0', '..'])
    expect(isTreePath(path)).toBe(false);
});
