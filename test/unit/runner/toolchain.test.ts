import { createHash } from 'node:crypto';
import { toolchainOf } from '@reprise/runner/toolchain.ts';
import { expect, test } from 'vitest';

test('the fingerprint is the digest of the sorted lines, so the order in which tools answer does not matter', () => {
  const one = toolchainOf('node\tv24.1.0\ngit\tgit version 2.39.5\n');
  const other = toolchainOf('git\tgit version 2.39.5\nnode\tv24.1.0\n');
  expect(one).toEqual({
    fingerprint: createHash('sha256').update('git git version 2.39.5\nnode v24.1.0\n').digest('hex'),
    tools: { git: 'git version 2.39.5', node: 'v24.1.0' },
  });
  expect(other).toEqual(one);
});

test('another version is another fingerprint', () => {
  expect(toolchainOf('node\tv24.1.0').fingerprint).not.toBe(toolchainOf('node\tv24.1.1').fingerprint);
});

test('colours, noise and endless lines do not get in', () => {
  const { tools } = toolchainOf(
    `mvn\t\x1b[1mApache Maven 3.8.7\x1b[m\nwarning: odd\nc++\t${'x'.repeat(1000)}\n\t\n`,
  );
  expect(tools).toEqual({ mvn: 'Apache Maven 3.8.7', 'c++': 'x'.repeat(256) });
});
