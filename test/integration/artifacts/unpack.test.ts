import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ARTIFACT_LIMITS } from '@reprise/runner/artifact/limits.ts';
import { ArtifactProblem } from '@reprise/runner/artifact/problem.ts';
import { unpackInput } from '@reprise/runner/artifact/unpack.ts';
import { describe, expect, test } from 'vitest';
import { type RawEntry, TOP, tarball } from '../../rig/tarball.ts';
import { tempDir } from '../../rig/temp.ts';

const file = (path: string, content = 'x'): RawEntry => ({ path, content });
const directory = (path: string): RawEntry => ({ path, type: '5', mode: 0o755 });
const link = (path: string, target: string): RawEntry => ({ path, type: '2', link: target });

/** Everything that an archive can be but that packing never makes; the sentence says what is wrong with it. */
const HOSTILE: [what: string, archive: RawEntry[] | Buffer, why: RegExp][] = [
  ['a path that climbs out', [TOP, file('app-1/../../evil')], /not a plain path/],
  ['a path that climbs out from its start', [TOP, file('../evil')], /not a plain path/],
  [
    'a path that climbs and comes back',
    [TOP, directory('app-1/a/'), file('app-1/a/../b')],
    /not a plain path/,
  ],
  ['an absolute path', [TOP, file('/tmp/evil')], /not a plain path/],
  [
    'a climbing path in a pax header',
    [TOP, { ...file('app-1/a'), pax: { path: 'app-1/../evil' } }],
    /not a plain path/,
  ],
  [
    'an absolute path in a pax header',
    [TOP, { ...file('app-1/a'), pax: { path: '/tmp/evil' } }],
    /not a plain path/,
  ],
  ['a NUL in a pax path', [TOP, { ...file('app-1/a'), pax: { path: 'app-1/a\0b' } }], /NUL/],
  ['an empty component', [TOP, file('app-1//a')], /not a plain path/],
  ['a dot component', [TOP, file('app-1/./a')], /not a plain path/],
  ['a file named like a directory', [TOP, directory('app-1/a/'), file('app-1/a/.')], /not a plain path/],
  ['a newline in a name', [TOP, file('app-1/a\nb')], /control character/],
  ['an escape in a name', [TOP, file('app-1/\x1b]0;x')], /control character/],
  [
    'a name that is not UTF-8',
    [TOP, { ...file(''), path: Buffer.from('app-1/\xff', 'latin1') }],
    /not valid UTF-8/,
  ],
  ['no top folder', [file('evil')], /instead of its top folder/],
  ['a second top folder', [TOP, directory('other/'), file('other/a')], /not below the top folder/],
  ['a top folder whose name only begins alike', [TOP, file('app-10/a')], /not below the top folder/],
  ['a top folder that is a link', [link('app-1', '/etc'), file('app-1/passwd')], /instead of its top folder/],
  ['a file below a file', [TOP, file('app-1/a'), file('app-1/a/b')], /no directory of the archive/],
  ['a file below nothing', [TOP, file('app-1/a/b')], /no directory of the archive/],
  ['a file below a link', [TOP, link('app-1/a', '.'), file('app-1/a/evil')], /no directory of the archive/],
  [
    'a file written through a link that leads out',
    [TOP, link('app-1/a', '/tmp'), file('app-1/a/evil')],
    /no directory/,
  ],
  ['an absolute link', [TOP, link('app-1/a', '/etc/passwd')], /is absolute/],
  ['a link that climbs out', [TOP, link('app-1/a', '../evil')], /leaves the artifact/],
  [
    'a link that climbs out through another',
    [TOP, directory('app-1/d/'), link('app-1/d/up', '..'), link('app-1/out', 'd/up/../..')],
    /leaves the artifact/,
  ],
  ['a link to nothing', [TOP, link('app-1/a', 'nothing')], /points at nothing/],
  ['a link through a file', [TOP, file('app-1/f'), link('app-1/a', 'f/x')], /passes through a file/],
  ['links in a circle', [TOP, link('app-1/a', 'b'), link('app-1/b', 'a')], /goes in a circle/],
  [
    'a long link target in a pax header that climbs out',
    [TOP, { ...link('app-1/a', 'b'), pax: { linkpath: '../../etc' } }],
    /leaves the artifact/,
  ],
  [
    'a hard link',
    [TOP, file('app-1/a'), { path: 'app-1/b', type: '1', link: 'app-1/a' }],
    /holds only files/,
  ],
  [
    'a hard link to a file of the machine',
    [TOP, { path: 'app-1/b', type: '1', link: '/etc/passwd' }],
    /holds only files/,
  ],
  ['a character device', [TOP, { path: 'app-1/null', type: '3' }], /holds only files/],
  ['a block device', [TOP, { path: 'app-1/disk', type: '4' }], /holds only files/],
  ['a named pipe', [TOP, { path: 'app-1/pipe', type: '6' }], /holds only files/],
  ['a contiguous file', [TOP, { path: 'app-1/a', type: '7' }], /holds only files/],
  [
    'a sparse file of GNU tar',
    [TOP, { path: 'app-1/a', type: 'S', content: 'x' }],
    /of a kind that no artifact holds/,
  ],
  [
    'an unknown kind',
    [TOP, { path: 'app-1/a', type: 'Z', content: 'x' }],
    /of a kind that no artifact holds/,
  ],
  [
    'a long name of GNU tar',
    [TOP, { path: '././@LongLink', type: 'L', content: 'app-1/a\0' }, file('app-1/a')],
    /NUL/,
  ],
  [
    'a global header',
    [TOP, { path: 'g', type: 'g', content: '18 path=app-1/evil\n' }, file('app-1/a')],
    /global header/,
  ],
  ['a name twice', [TOP, file('app-1/a'), file('app-1/a', 'y')], /occurs twice/],
  ['a file that replaces a directory', [TOP, directory('app-1/a/'), file('app-1/a')], /occurs twice/],
  [
    'a link that replaces a directory',
    [TOP, directory('app-1/a/'), link('app-1/a', '.'), file('app-1/a/x')],
    /occurs twice/,
  ],
  ['names that differ in case', [TOP, file('app-1/Read'), file('app-1/read')], /differ only in case/],
  [
    'directories that differ in case',
    [TOP, directory('app-1/A/'), directory('app-1/a/'), file('app-1/a/x')],
    /differ only in case/,
  ],
  [
    'names that differ in how an accent is encoded',
    [TOP, file('app-1/\u00e9'), file('app-1/e\u0301')],
    /differ only in case/,
  ],
  ['a link with content', [TOP, file('app-1/f'), { ...link('app-1/a', 'f'), content: 'x' }], /has content/],
  ['a damaged checksum', [TOP, { ...file('app-1/a'), badChecksum: true }], /damaged/],
  ['a size that its content does not have', [TOP, { ...file('app-1/a'), size: 50_000 }], /damaged|too early/],
  ['megabytes after the end', tarball([TOP], Buffer.alloc(200 * 1024 * 1024)), /after its end/],
  ['no end', tarball([TOP, file('app-1/a')], Buffer.alloc(0)), /too early/],
  ['an archive cut in its middle', cut(tarball([TOP, file('app-1/a', 'x'.repeat(5000))])), /damaged/],
  ['a flipped bit', flipped(tarball([TOP, file('app-1/a', 'hello '.repeat(50))])), /damaged/],
  ['an archive without entries', tarball([]), /damaged|too early/],
  ['something that is no archive', gzipSync('<html>'), /damaged|too early/],
  ['an archive compressed twice', gzipSync(tarball([TOP])), /compressed twice/],
  ['something that is not compressed', Buffer.from('<html></html>'), /damaged/],
  [
    'more than is allowed in all',
    [TOP, file('app-1/a', 'x'.repeat(60_000)), file('app-1/b', 'x'.repeat(60_000))],
    /most allowed/,
  ],
  [
    'more entries than are allowed',
    [TOP, ...Array.from({ length: 60 }, (_, n) => file(`app-1/${n}`))],
    /most allowed/,
  ],
  ['deeper than is allowed', [TOP, ...nested(12)], /most allowed/],
  ['out of all proportion', [TOP, file('app-1/a', '\0'.repeat(90_000))], /looks like a mistake/],
];

const LIMITS = { ...ARTIFACT_LIMITS, bytes: 100_000, entries: 50, depth: 10, freeBytes: 70_000 };

describe('an archive that packing would never make is refused whole', () => {
  test.each(HOSTILE)('%s', async (_what, archive, why) => {
    using dir = tempDir();
    const input = dir.join('input.tar.gz');
    writeFileSync(input, Buffer.isBuffer(archive) ? archive : tarball(archive));
    const into = dir.join('workspace');
    const refusal = await unpackInput({ file: input, into, limits: LIMITS }).catch((error) => error);
    expect(refusal).toBeInstanceOf(ArtifactProblem);
    expect(refusal.message).toMatch(why);
    expect(readdirSync(dir.path)).toEqual(['input.tar.gz']);
    expect(existsSync('/tmp/evil')).toBe(false);
  });
});

const GOOD: RawEntry[] = [
  TOP,
  directory('app-1/bin/'),
  { ...file('app-1/bin/start', '#!/bin/sh\n'), mode: 0o6755, uid: 12345 },
  { ...file('app-1/data', 'public'), mode: 0o666 },
  link('app-1/lib.so', 'lib.so.1'),
  link('app-1/lib.so.1', 'bin/start'),
  link('app-1/to-itself', '.'),
];

test('an input is unpacked without its top folder, with plain modes, whatever the umask and the owner', async () => {
  using dir = tempDir();
  writeFileSync(dir.join('input'), tarball(GOOD));
  const before = process.umask(0o077);
  try {
    await unpackInput({ file: dir.join('input'), into: dir.join('ws') });
  } finally {
    process.umask(before);
  }
  const start = statSync(dir.join('ws/bin/start'));
  expect(start.mode & 0o7777).toBe(0o755);
  expect(start.uid).toBe(process.getuid?.());
  expect(statSync(dir.join('ws/data')).mode & 0o7777).toBe(0o644);
  expect(statSync(dir.join('ws/bin')).mode & 0o7777).toBe(0o755);
  expect(readFileSync(dir.join('ws/lib.so'), 'utf8')).toBe('#!/bin/sh\n');
  for (const path of ['bin', 'bin/start', 'data', 'lib.so'])
    expect(lstatSync(dir.join('ws', path)).mtimeMs).toBe(1_767_225_600_000);
});

test('an input that compresses well, but is small, is welcome', async () => {
  using dir = tempDir();
  writeFileSync(dir.join('input'), tarball([TOP, file('app-1/zeros', '\0'.repeat(60_000))]));
  await unpackInput({ file: dir.join('input'), into: dir.join('ws'), limits: LIMITS });
  expect(statSync(dir.join('ws/zeros')).size).toBe(60_000);
});

test('an input shares the directories of a workspace and replaces its files', async () => {
  using dir = tempDir();
  mkdirSync(dir.join('ws/bin'), { recursive: true });
  writeFileSync(dir.join('ws/bin/other'), 'kept');
  writeFileSync(dir.join('secret'), 'untouched');
  symlinkSync(dir.join('secret'), dir.join('ws/data'));
  writeFileSync(dir.join('input'), tarball(GOOD));
  await unpackInput({ file: dir.join('input'), into: dir.join('ws') });
  expect(readFileSync(dir.join('ws/bin/other'), 'utf8')).toBe('kept');
  expect(readFileSync(dir.join('ws/data'), 'utf8')).toBe('public');
  expect(readFileSync(dir.join('secret'), 'utf8')).toBe('untouched');
});

test('nothing is written through a link that the workspace has', async () => {
  using dir = tempDir();
  mkdirSync(dir.join('outside'));
  mkdirSync(dir.join('ws'));
  symlinkSync(dir.join('outside'), dir.join('ws/bin'));
  writeFileSync(dir.join('input'), tarball(GOOD));
  await expect(unpackInput({ file: dir.join('input'), into: dir.join('ws') })).rejects.toThrow(
    /"bin".* in its way/,
  );
  expect(readdirSync(dir.join('outside'))).toEqual([]);
  expect(readlinkSync(dir.join('ws/bin'))).toBe(dir.join('outside'));
});

test('what follows the end of an archive is not unpacked', async () => {
  using dir = tempDir();
  const hidden = Buffer.concat([Buffer.alloc(1024), gunzipSync(tarball([TOP, file('app-1/evil')]))]);
  writeFileSync(dir.join('input'), tarball(GOOD, hidden));
  await unpackInput({ file: dir.join('input'), into: dir.join('ws') });
  expect(existsSync(dir.join('ws/data'))).toBe(true);
  expect(existsSync(dir.join('ws/evil'))).toBe(false);
});

test('an archive of GNU tar without what only it writes is welcome, too', async () => {
  using dir = tempDir();
  mkdirSync(dir.join('app-1/é'), { recursive: true });
  const long = `${'long-'.repeat(30)}name`;
  writeFileSync(dir.join('app-1/é', long), 'content');
  execFileSync('tar', ['-czf', dir.join('input'), '--format=posix', '-C', dir.path, 'app-1']);
  await unpackInput({ file: dir.join('input'), into: dir.join('ws') });
  expect(readFileSync(dir.join('ws/é', long), 'utf8')).toBe('content');
});

function nested(depth: number): RawEntry[] {
  return Array.from({ length: depth }, (_, n) => directory(`app-1/${'d/'.repeat(n + 1)}`));
}

function cut(archive: Buffer): Buffer {
  return archive.subarray(0, archive.length - 30);
}

function flipped(archive: Buffer): Buffer {
  const copy = Buffer.from(archive);
  const middle = copy.length >> 1;
  copy[middle] = (copy[middle] ?? 0) ^ 0x10;
  return copy;
}
