import { durationMs } from '@reprise/pipelines/duration.ts';
import { didYouMean, nearest } from '@reprise/pipelines/nearest.ts';
import { insideProblem, tidyPath } from '@reprise/pipelines/paths.ts';
import { describe, expect, test } from 'vitest';

describe('the nearest word', () => {
  test.each([
    ['timout', 'timeout'],
    ['Timeout', 'timeout'],
    ['setps', 'steps'],
    ['nedes', 'needs'],
    ['artefact', 'artifact'],
    ['xyzzy', null],
    ['', null],
    ['x'.repeat(65), null],
  ])('of %j is %j', (word, expected) => {
    expect(nearest(word, ['timeout', 'steps', 'needs', 'artifact', 'artifacts'])).toBe(expected);
  });

  test('ends a sentence, or leaves it alone', () => {
    expect(didYouMean('tset', ['test'])).toBe('; did you mean "test"?');
    expect(didYouMean('tset', [])).toBe('');
  });
});

test.each([
  ['90s', 90_000],
  ['20m', 1_200_000],
  ['2h', 7_200_000],
  ['1h30m5s', 5_405_000],
  ['0s', 0],
  ['', null],
  ['20', null],
  ['20 m', null],
  ['30m1h', null],
  ['1.5h', null],
  ['-5m', null],
  ['1d', null],
])('the duration %j is %j ms', (text, ms) => {
  expect(durationMs(text)).toBe(ms);
});

test.each(['a', '.', './a/', '.env', 'a..b/c', '**/*.js', 'ä b'])('%j stays inside', (path) => {
  expect(insideProblem(path)).toBeNull();
});

test.each(['', ' ', '/a', '..', 'a/../b', '~', '~/a', 'a\\b', 'a\nb', 'x'.repeat(1025)])(
  '%j does not',
  (path) => {
    expect(insideProblem(path)).toEqual(expect.stringMatching(/^must /));
  },
);

test.each([
  ['./a//b/./c', 'a/b/c'],
  ['log/', 'log/'],
  ['./', '.'],
  ['.', '.'],
])('%j is tidied to %j', (path, tidy) => {
  expect(tidyPath(path)).toBe(tidy);
});
