import type { Difference, Reproducibility } from '@reprise/server/api.ts';
import { differenceWords, reproducibilityWords, toolchainWords } from '@reprise/ui/builds/reproducibility.ts';
import { expect, test } from 'vitest';

const different: Reproducibility = {
  state: 'different',
  comparedWith: 3,
  differences: [],
  differenceCount: 2,
};

test('each state is a sentence that names the other build', () => {
  expect(reproducibilityWords({ state: 'unverified', comparedWith: null, differences: [] })).toBe(
    'Not verified yet: rebuild to compare',
  );
  expect(reproducibilityWords({ state: 'identical', comparedWith: 3, differences: [] })).toBe(
    'Identical to build #3',
  );
  expect(reproducibilityWords(different)).toBe('Different from build #3: 2 files differ');
});

test('what differs is counted whole, not as far as it is listed, and not at all where it cannot be known', () => {
  expect(reproducibilityWords({ ...different, differenceCount: 1 })).toBe(
    'Different from build #3: 1 file differs',
  );
  expect(reproducibilityWords({ ...different, differenceCount: 4200 })).toBe(
    'Different from build #3: 4,200 files differ',
  );
  const { differenceCount: _, ...damaged } = different;
  expect(reproducibilityWords(damaged)).toBe('Different from build #3');
});

test('tools are spoken of only where they may explain a difference', () => {
  expect(toolchainWords({ ...different, toolchainChanged: true })).toMatch(/different tools/);
  expect(toolchainWords({ ...different, toolchainChanged: false })).toMatch(/same tools/);
  expect(toolchainWords(different)).toBe('');
  expect(
    toolchainWords({ state: 'identical', comparedWith: 3, differences: [], toolchainChanged: true }),
  ).toBe('');
});

const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];

test.each<[string, Difference, string]>([
  ['content', { path: 'x', change: 'changed', sha256: [a, b] }, 'content changed'],
  [
    'mode alone',
    { path: 'x', change: 'changed', sha256: [a, a], mode: ['file 0644', 'file 0755'] },
    'file 0644 became file 0755',
  ],
  [
    'content and mode',
    { path: 'x', change: 'changed', sha256: [a, b], mode: ['file 0644', 'file 0755'] },
    'content changed, file 0644 became file 0755',
  ],
  [
    'target of a link',
    { path: 'x', change: 'changed', sha256: [null, null], mode: ['link to a', 'link to b'] },
    'link to a became link to b',
  ],
  ['a new file', { path: 'x', change: 'added', sha256: [null, b] }, 'only in build #5'],
  ['a missing file', { path: 'x', change: 'removed', sha256: [a, null] }, 'only in build #3'],
])('a difference says what changed: %s', (_, difference, words) => {
  expect(differenceWords(difference, { number: 5, comparedWith: 3 })).toBe(words);
  // Seen from the earlier build it is the same difference.
  expect(differenceWords(difference, { number: 3, comparedWith: 5 })).toBe(words);
});
