import { untaggedVersion, versionFrom } from '@reprise/server/git/version.ts';
import { expect, test } from 'vitest';

test.each([
  ['v1.2.3', '1.2.3'],
  ['1.2.3', '1.2.3'],
  ['v1.2.3-4-gabcdef012345\n', '1.2.3-4-gabcdef012345'],
  ['1.0.0-rc.1+build', '1.0.0-rc.1+build'],
  ['release/2.0', 'release-2.0'],
  ['very-first', 'very-first'],
  ['v', 'v'],
  ['v1_ä', '1--'],
  ['$(id);`x`', '--id---x-'],
  ['v1/../..', '1-..-..'],
])('of %j the version is %s', (described, version) => {
  expect(versionFrom(described)).toBe(version);
});

test('a version always fits a file name', () => {
  expect(versionFrom(`v1${'0'.repeat(300)}`)).toHaveLength(128);
});

test('a commit without a tag is counted', () => {
  expect(untaggedVersion(42, 'abcdef0123456789'.repeat(3).slice(0, 40))).toBe('0.0.0-42-gabcdef012345');
});
