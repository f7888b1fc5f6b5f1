import { STATUSES } from '@reprise/pipelines/status.ts';
import { placeOf, tabTitle } from '@reprise/ui/builds/titles.ts';
import { expect, test } from 'vitest';

const build = {
  status: 'passed' as const,
  project: 'shop',
  number: 12,
  branch: 'main',
  tag: null,
  pullRequest: null,
  commit: '1a2b3c4d5e6f'.padEnd(40, '0'),
};

test('the status comes first, then what it is about', () => {
  expect(tabTitle(build)).toBe('✓ shop #12 · main');
  expect(tabTitle({ ...build, status: 'failed' })).toBe('✗ shop #12 · main');
});

test('a name of thousands of letters makes no title of thousands', () => {
  expect(tabTitle({ ...build, branch: 'x'.repeat(4000) })).toBe(`✓ shop #12 · ${'x'.repeat(80)}`);
});

test('no two statuses have the same sign', () => {
  const signs = STATUSES.map((status) => tabTitle({ ...build, status }).split(' ')[0]);
  expect(new Set(signs).size).toBe(STATUSES.length);
});

test('a place is a pull request, else a tag, else a branch, else a commit', () => {
  const pullRequest = { number: 7, fork: true, head: 'main', base: 'main' };
  expect(placeOf({ ...build, pullRequest })).toBe('PR #7');
  expect(placeOf({ ...build, tag: 'v1.2', branch: null })).toBe('v1.2');
  expect(placeOf({ ...build, branch: null })).toBe('1a2b3c4d');
});
