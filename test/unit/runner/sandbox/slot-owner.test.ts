import { slotOwner } from '@reprise/runner/sandbox/slot-owner.ts';
import { expect, test } from 'vitest';

test.for([
  ['on a machine', 3, '         0          0 4294967295\n', 900_000_003],
  ['in a container with the usual range', 3, '0 100000 65536\n', 60_003],
  [
    'in a rootless container',
    3,
    '         0       1000          1\n         1     100000      65536\n',
    60_003,
  ],
  ['in a container with root only', 3, '0 1000 1\n', null],
] as const)('%s', ([, slot, map, uid]) => {
  expect(slotOwner(slot, map)).toEqual(uid === null ? null : { uid, gid: uid });
});

test('each slot has a user of its own', () => {
  const users = Array.from({ length: 256 }, (_, slot) => slotOwner(slot, '0 0 4294967295')?.uid);
  expect(new Set(users).size).toBe(256);
});
