import { parseRange } from '@reprise/server/http/byte-range.ts';
import { expect, test } from 'vitest';

test.each([
  ['bytes=0-', { start: 0, end: 10 }],
  ['bytes=0-0', { start: 0, end: 1 }],
  ['bytes=3-5', { start: 3, end: 6 }],
  ['bytes=9-', { start: 9, end: 10 }],
  ['bytes=3-99', { start: 3, end: 10 }],
  ['bytes=-3', { start: 7, end: 10 }],
  ['bytes=-99', { start: 0, end: 10 }],
  ['Bytes= 3-5 ', { start: 3, end: 6 }],
  ['bytes=10-', 'unsatisfiable'],
  ['bytes=10-20', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=-', null],
  ['bytes=5-3', null],
  ['bytes=1-2,4-5', null],
  ['lines=1-2', null],
  ['bytes=a-b', null],
  ['bytes=99999999999999999999-', 'unsatisfiable'],
  ['', null],
  [undefined, null],
] as const)('of ten bytes, "%s" asks for %o', (header, expected) => {
  expect(parseRange(header, 10)).toEqual(expected);
});

test('of nothing, no range can be had', () => {
  expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
  expect(parseRange('bytes=-5', 0)).toBe('unsatisfiable');
});
