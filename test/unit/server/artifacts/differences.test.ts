import type { ManifestEntry } from '@reprise/runner/protocol.ts';
import { findDifferences } from '@reprise/server/artifacts/differences.ts';
import { expect, test } from 'vitest';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const file = (path: string, sha256 = A, mode = '0644'): ManifestEntry => ({
  type: 'file',
  path,
  mode,
  size: 1,
  sha256,
});
const directory = (path: string): ManifestEntry => ({ type: 'directory', path, mode: '0755' });
const link = (path: string, target: string): ManifestEntry => ({ type: 'link', path, target });

test.each<[string, ManifestEntry[], ManifestEntry[], unknown[]]>([
  ['equal trees differ in nothing', [file('a'), directory('d')], [file('a'), directory('d')], []],
  ['content', [file('a')], [file('a', B)], [{ path: 'a', change: 'changed', sha256: [A, B] }]],
  ['a file more', [], [file('a')], [{ path: 'a', change: 'added', sha256: [null, A] }]],
  ['a file less', [file('a')], [], [{ path: 'a', change: 'removed', sha256: [A, null] }]],
  [
    'files around equal ones',
    [file('a'), file('m'), file('z')],
    [file('b'), file('m')],
    [
      { path: 'a', change: 'removed', sha256: [A, null] },
      { path: 'b', change: 'added', sha256: [null, A] },
      { path: 'z', change: 'removed', sha256: [A, null] },
    ],
  ],
  [
    'a mode',
    [file('a')],
    [file('a', A, '0755')],
    [{ path: 'a', change: 'changed', sha256: [A, A], mode: ['file 0644', 'file 0755'] }],
  ],
  [
    'a target',
    [link('a', 'x')],
    [link('a', 'y')],
    [{ path: 'a', change: 'changed', sha256: [null, null], mode: ['link to x', 'link to y'] }],
  ],
  [
    'a file that became a directory',
    [file('a')],
    [directory('a'), file('a/b')],
    [
      { path: 'a', change: 'changed', sha256: [A, null], mode: ['file 0644', 'directory 0755'] },
      { path: 'a/b', change: 'added', sha256: [null, A] },
    ],
  ],
  [
    'names that sort by bytes, not by UTF-16',
    [file('\uffe6'), file('𝒳')],
    [file('𝒳')],
    [{ path: '\uffe6', change: 'removed', sha256: [A, null] }],
  ],
])('%s', async (_what, before, after, expected) => {
  const { differences, count } = await findDifferences(each(before), each(after));
  expect(differences).toEqual(expected);
  expect(count).toBe(expected.length);
});

test('of very many differences the first thousand are listed and all are counted', async () => {
  const many = Array.from({ length: 2500 }, (_, n) => file(String(n).padStart(5, '0')));
  const { differences, count } = await findDifferences(each(many), each([]));
  expect(differences).toHaveLength(1000);
  expect(count).toBe(2500);
});

async function* each(entries: ManifestEntry[]): AsyncGenerator<ManifestEntry> {
  yield* entries;
}
