import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packArtifact } from '@reprise/runner/artifact/pack.ts';
import { unpackInput } from '@reprise/runner/artifact/unpack.ts';
import type { PackedArtifact } from '@reprise/runner/protocol.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';

interface Thing {
  path: string;
  content: string | null;
  executable: boolean;
}

/** Names that sort differently by locale, by case, by UTF-16 and by bytes, and that are long. */
const part = fc.constantFrom(
  'a',
  'B',
  'c.d',
  'é',
  'Z-z',
  '_',
  '10',
  '9',
  'ﬀ',
  '𝒳',
  'x'.repeat(120),
  '.dot',
  'a b',
);

const things = fc
  .uniqueArray(
    fc.record({
      path: fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
      content: fc.option(fc.string({ maxLength: 2000 })),
      executable: fc.boolean(),
    }),
    { minLength: 1, maxLength: 25, selector: ({ path }) => path },
  )
  .map(withDirectoriesAsSuch);

const shuffled = things.chain((tree) =>
  fc.tuple(fc.constant(tree), fc.shuffledSubarray(tree, { minLength: tree.length, maxLength: tree.length })),
);

test('the same tree gives the same bytes, however it came to be, and again once unpacked', async () => {
  await fc.assert(
    fc.asyncProperty(shuffled, fc.constantFrom(0o022, 0o077, 0o002), async ([tree, order], umask) => {
      using dir = tempDir();
      make(dir.join('one'), tree, { umask: 0o022, mtime: 1 });
      make(dir.join('two'), order, { umask, mtime: 2_000_000_000 });
      const one = await pack(dir.join('one'), dir.join('out-one'));
      const two = await pack(dir.join('two'), dir.join('out-two'));
      expect(two).toEqual(one);
      await unpackInput({ file: join(dir.join('out-one'), one.fileName), into: dir.join('three') });
      expect(await pack(dir.join('three'), dir.join('out-three'))).toEqual(one);
    }),
    { numRuns: 25 },
  );
});

const OTHER_WORLDS: [string, { env: NodeJS.ProcessEnv; umask: string; cwd: string }][] = [
  ['another time zone', { env: { TZ: 'Pacific/Kiritimati' }, umask: '022', cwd: '/' }],
  ['another locale', { env: { LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' }, umask: '022', cwd: '/' }],
  ['a closed umask', { env: {}, umask: '077', cwd: '/' }],
  ['another directory and home', { env: { HOME: '/nonexistent' }, umask: '000', cwd: '/tmp' }],
];

test.each(OTHER_WORLDS)('%s of the runner changes nothing', async (_what, { env, umask, cwd }) => {
  using dir = tempDir();
  const tree = fc.sample(things, { seed: 42, numRuns: 1 })[0] ?? [];
  make(dir.join('ws'), [...tree, { path: 'run.sh', content: '#!/bin/sh', executable: true }], {
    umask: 0o022,
    mtime: 5,
  });
  symlinkSync('run.sh', dir.join('ws/start'));
  const here = await pack(dir.join('ws'), dir.join('out'));
  const program = join(import.meta.dirname, '../../rig/programs/pack.ts');
  const arguments_ = [program, dir.join('ws'), dir.join('elsewhere'), umask];
  const there = execFileSync(process.execPath, arguments_, {
    env: { PATH: process.env['PATH'], ...env },
    cwd,
  });
  expect(JSON.parse(there.toString())).toEqual(here);
});

async function pack(workspace: string, into: string): Promise<PackedArtifact> {
  const packing = await packArtifact({
    workspace,
    artifact: { name: 'shop', paths: ['.'], exclude: [] },
    version: '1.4.2',
    commitTime: 1_767_225_600,
    into,
    signal: new AbortController().signal,
  });
  if (!packing.ok) throw new Error(packing.why);
  return packing.packed;
}

/** Makes files and empty directories in the order given. */
function make(root: string, tree: Thing[], { umask, mtime }: { umask: number; mtime: number }): void {
  const before = process.umask(umask);
  try {
    for (const { path, content, executable } of tree) {
      const at = join(root, path);
      mkdirSync(content === null ? at : dirname(at), { recursive: true });
      if (content === null) continue;
      writeFileSync(at, content);
      if (executable) chmodSync(at, 0o777 & ~umask);
      utimesSync(at, mtime, mtime);
    }
  } finally {
    process.umask(before);
  }
}

/** Makes a directory of what would have to be a file and a directory at once. */
function withDirectoriesAsSuch(tree: Thing[]): Thing[] {
  const isBelow = (path: string, other: Thing) => path.startsWith(`${other.path}/`);
  return tree.map((thing) => ({
    ...thing,
    content: tree.some(({ path }) => isBelow(path, thing)) ? null : thing.content,
  }));
}
