import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ARTIFACT_LIMITS } from '@reprise/runner/artifact/limits.ts';
import { type Packing, type PackOptions, packArtifact } from '@reprise/runner/artifact/pack.ts';
import { unpackInput } from '@reprise/runner/artifact/unpack.ts';
import { type ManifestEntry, manifestEntry, packedArtifact } from '@reprise/runner/protocol.ts';
import { describe, expect, test } from 'vitest';
import { smallDisk } from '../../rig/small-disk.ts';
import { tempDir } from '../../rig/temp.ts';

/** 2026-01-01T00:00:00Z */
const COMMIT_TIME = 1_767_225_600;

test('an artifact is its files below a top folder, sorted by bytes, nameless, with one time and plain modes', async () => {
  using dir = tempDir();
  write(dir.join('ws'), {
    'dist/b': 'b',
    'dist/a.js': 'a',
    'dist/a/x': 'x',
    'dist/.dot': '.',
    'dist/é': 'é',
    other: '-',
  });
  mkdirSync(dir.join('ws/dist/empty'));
  chmodSync(dir.join('ws/dist/a/x'), 0o6710);
  chmodSync(dir.join('ws/dist/b'), 0o600);
  symlinkSync('../b', dir.join('ws/dist/a/link'));

  const { file, packed } = await pack(dir.path, { paths: ['dist'] });
  expect(list(file)).toEqual([
    'drwxr-xr-x 0/0 0 2026-01-01 00:00:00 shop-1.4.2/',
    'drwxr-xr-x 0/0 0 2026-01-01 00:00:00 shop-1.4.2/dist/',
    '-rw-r--r-- 0/0 1 2026-01-01 00:00:00 shop-1.4.2/dist/.dot',
    'drwxr-xr-x 0/0 0 2026-01-01 00:00:00 shop-1.4.2/dist/a/',
    '-rw-r--r-- 0/0 1 2026-01-01 00:00:00 shop-1.4.2/dist/a.js',
    'lrwxr-xr-x 0/0 0 2026-01-01 00:00:00 shop-1.4.2/dist/a/link -> ../b',
    '-rwxr-xr-x 0/0 1 2026-01-01 00:00:00 shop-1.4.2/dist/a/x',
    '-rw-r--r-- 0/0 1 2026-01-01 00:00:00 shop-1.4.2/dist/b',
    'drwxr-xr-x 0/0 0 2026-01-01 00:00:00 shop-1.4.2/dist/empty/',
    '-rw-r--r-- 0/0 2 2026-01-01 00:00:00 shop-1.4.2/dist/é',
  ]);
  expect(packedArtifact.parse(packed)).toEqual(packed);
  expect(packed).toMatchObject({ name: 'shop', fileName: 'shop-1.4.2.tar.gz', size: statSync(file).size });
  expect(sha256(readFileSync(file))).toBe(packed.sha256);
});

test('the bytes are gzip level 6 in one stream, without name, time or platform', async () => {
  using dir = tempDir();
  write(dir.join('ws'), { a: 'a' });
  const { file } = await pack(dir.path, { paths: ['a'] });
  const bytes = readFileSync(file);
  expect(bytes.subarray(0, 10).toString('hex')).toBe('1f8b0800000000000003');
  expect(bytes.readUInt32LE(bytes.length - 4)).toBe(gunzipSync(bytes).length);
});

/** Known bytes: when one of these changes, every artifact's identity would. */
test('a known tree has the same identity on every machine and in every version', async () => {
  using dir = tempDir();
  write(dir.join('ws'), { 'bin/run': '#!/bin/sh\n', README: 'hello\n' });
  chmodSync(dir.join('ws/bin/run'), 0o755);
  symlinkSync('bin/run', dir.join('ws/run'));
  const { packed, file, manifestFile } = await pack(dir.path, { paths: ['.'] });
  const form = [
    'reprise tree 1\0',
    `file 0644 ${sha256('hello\n')}\0README\0`,
    'directory 0755\0bin\0',
    `file 0755 ${sha256('#!/bin/sh\n')}\0bin/run\0`,
    'link\0run\0bin/run\0',
  ];
  expect(packed.treeSha256).toBe(sha256(form.join('')));
  expect(packed.treeSha256).toBe('d855bd8737eec1855700dd447f0aa1139dd25f14d0f2f2cd9bc6c404f4189b69');
  expect(sha256(gunzipSync(readFileSync(file)))).toBe(
    '456ba28e36eb84b317683495a035aa1c4a44aa89d391228d2481b4dc2c6f5fa8',
  );
  expect(readFileSync(manifestFile, 'utf8')).toBe(`[
{"type":"file","path":"README","mode":"0644","size":6,"sha256":"${sha256('hello\n')}"},
{"type":"directory","path":"bin","mode":"0755"},
{"type":"file","path":"bin/run","mode":"0755","size":10,"sha256":"${sha256('#!/bin/sh\n')}"},
{"type":"link","path":"run","target":"bin/run"}
]
`);
  expect(packed.manifestSha256).toBe(sha256(readFileSync(manifestFile)));
});

test('the identity is the same under another version and time', async () => {
  using dir = tempDir();
  write(dir.join('ws'), { a: 'a' });
  const one = await pack(dir.path, { paths: ['a'] });
  const other = await pack(dir.path, { paths: ['a'] }, { version: '2.0.0', commitTime: 0 });
  expect(other.packed.sha256).not.toBe(one.packed.sha256);
  expect(other.packed.treeSha256).toBe(one.packed.treeSha256);
});

describe('what an artifact consists of', () => {
  const files = {
    'package.json': '{}',
    'dist/app.js': '1',
    'dist/app.js.map': '2',
    'dist/deep/lib.js': '3',
    'dist/deep/lib.js.map': '4',
    'pages/[id]/index.html': '5',
    '.git/config': '6',
    'vendor/.git/config': '7',
    '.env.example': '8',
  };
  test.each<[string, { paths: string[]; exclude?: string[] }, string[]]>([
    ['a file', { paths: ['package.json'] }, ['package.json']],
    [
      'a directory, whole',
      { paths: ['./dist/'] },
      ['dist/app.js', 'dist/app.js.map', 'dist/deep/lib.js', 'dist/deep/lib.js.map'],
    ],
    [
      'what is excluded is left out',
      { paths: ['dist'], exclude: ['**/*.map'] },
      ['dist/app.js', 'dist/deep/lib.js'],
    ],
    [
      'an excluded directory is left out whole',
      { paths: ['dist'], exclude: ['dist/deep'] },
      ['dist/app.js', 'dist/app.js.map'],
    ],
    ['a glob', { paths: ['dist/*.js'] }, ['dist/app.js']],
    ['a deep glob', { paths: ['**/*.js'] }, ['dist/app.js', 'dist/deep/lib.js']],
    [
      'a glob that matches a directory means all of it',
      { paths: ['d*'], exclude: ['**/*.map'] },
      ['dist/app.js', 'dist/deep/lib.js'],
    ],
    ['a glob with alternatives', { paths: ['dist/{deep/lib,app}.js'] }, ['dist/app.js', 'dist/deep/lib.js']],
    ['a name that looks like a glob, where it exists', { paths: ['pages/[id]'] }, ['pages/[id]/index.html']],
    ['dot files', { paths: ['*.example'] }, ['.env.example']],
    [
      'the workspace without git’s own directory',
      { paths: ['.'], exclude: ['dist', 'pages'] },
      ['.env.example', 'package.json', 'vendor/.git/config'],
    ],
    ['paths that overlap, once', { paths: ['dist/app.js', 'dist/*.js', '*/app.js'] }, ['dist/app.js']],
  ])('%s', async (_what, definition, expected) => {
    using dir = tempDir();
    write(dir.join('ws'), files);
    const { manifest } = await pack(dir.path, definition);
    expect(manifest.filter(({ type }) => type === 'file').map(({ path }) => path)).toEqual(expected);
  });
});

describe('what cannot be packed is refused by name', () => {
  test.each<[string, (ws: string) => unknown, { paths: string[]; exclude?: string[] }, RegExp]>([
    [
      'a path that matches nothing',
      () => {},
      { paths: ['a', 'build'] },
      /"build" .* matches nothing in the workspace/,
    ],
    ['a glob that matches nothing', () => {}, { paths: ['*.whl'] }, /"\*\.whl" .* matches nothing/],
    [
      'a path that is excluded',
      () => {},
      { paths: ['a'], exclude: ['a'] },
      /"a" .* matches nothing that is not excluded/,
    ],
    [
      'a path whose directory is excluded',
      () => {},
      { paths: ['d/x'], exclude: ['d'] },
      /"d\/x" .* matches nothing/,
    ],
    [
      'a path that leaves the workspace',
      () => {},
      { paths: ['../secret'] },
      /"\.\.\/secret" .* leaves the workspace/,
    ],
    ['a path that leaves it on a detour', () => {}, { paths: ['d/../../x'] }, /leaves the workspace/],
    ['an absolute path', () => {}, { paths: ['/etc/passwd'] }, /"\/etc\/passwd" .* leaves the workspace/],
    ['an empty path', () => {}, { paths: [''] }, /is empty/],
    ['a negated path', () => {}, { paths: ['!a'] }, /write it under exclude/],
    ["git's own directory", (ws) => write(ws, { '.git/config': '' }), { paths: ['.git'] }, /never packed/],
    [
      'a named pipe',
      (ws) => execFileSync('mkfifo', [join(ws, 'd/pipe')]),
      { paths: ['d'] },
      /"d\/pipe" is a named pipe/,
    ],
    ['a socket', (ws) => listen(join(ws, 'd/socket')), { paths: ['d'] }, /"d\/socket" is a socket/],
    [
      'a path that is a named pipe',
      (ws) => execFileSync('mkfifo', [join(ws, 'pipe')]),
      { paths: ['pipe'] },
      /"pipe" is a named pipe/,
    ],
    [
      'an absolute link',
      (ws) => symlinkSync('/etc/passwd', join(ws, 'd/l')),
      { paths: ['d'] },
      /"d\/l" is absolute \("\/etc\/passwd"\)/,
    ],
    [
      'a link that climbs out',
      (ws) => symlinkSync('../../x', join(ws, 'd/l')),
      { paths: ['d'] },
      /"d\/l" leaves the artifact/,
    ],
    [
      'a link to what is not packed',
      (ws) => symlinkSync('../a', join(ws, 'd/l')),
      { paths: ['d'] },
      /"d\/l" points at nothing in the artifact/,
    ],
    ['a link in a circle', (ws) => symlinkSync('l', join(ws, 'd/l')), { paths: ['d'] }, /goes in a circle/],
    [
      'a path through a link',
      (ws) => symlinkSync('/etc', join(ws, 'e')),
      { paths: ['e/passwd'] },
      /passes through the link "e"/,
    ],
    [
      'a glob through a link',
      (ws) => symlinkSync('/etc', join(ws, 'e')),
      { paths: ['e/pass*'] },
      /passes through the link "e"/,
    ],
    [
      'a newline in a name',
      (ws) => write(ws, { 'd/a\nb': '' }),
      { paths: ['d'] },
      /"d\/a\\x0ab" contains a control character/,
    ],
    [
      'a name that is not UTF-8',
      (ws) => writeFileSync(Buffer.from(`${ws}/d/\xff`, 'latin1'), ''),
      { paths: ['d'] },
      /not valid UTF-8/,
    ],
    [
      'names that differ in case',
      (ws) => write(ws, { 'd/Read': '', 'd/read': '' }),
      { paths: ['d'] },
      /differ only in case/,
    ],
    [
      'names that differ in how an accent is encoded',
      (ws) => write(ws, { 'd/\u00e9': '', 'd/e\u0301': '' }),
      { paths: ['d'] },
      /how an accent is encoded/,
    ],
    [
      'a sparse terabyte',
      (ws) => truncateSync(join(ws, 'a'), 1e12),
      { paths: ['a'] },
      /"a" \(1000000000000 bytes\)/,
    ],
    [
      'a directory too deep',
      (ws) => mkdirSync(join(ws, 'd', 'e/'.repeat(200)), { recursive: true }),
      { paths: ['d'] },
      /directories deep/,
    ],
  ])('%s', async (_what, prepare, definition, why) => {
    using dir = tempDir();
    const ws = dir.join('ws');
    write(ws, { a: 'a', 'd/x': 'x' });
    const undo = await prepare(ws);
    const packing = await packArtifact(options(dir.path, definition));
    expect(packing).toMatchObject({ ok: false, why: expect.stringMatching(why) });
    expect(packing).toMatchObject({ why: expect.stringMatching(/^The artifact shop cannot be packed\. /) });
    expect(readdirSync(dir.join('out'))).toEqual([]);
    if (typeof undo === 'function') undo();
  });
});

test('a device is refused by name', async ({ skip }) => {
  using dir = tempDir();
  write(dir.join('ws'), { a: '' });
  try {
    execFileSync('mknod', [dir.join('ws/zero'), 'c', '1', '5'], { stdio: 'ignore' });
  } catch {
    skip('devices can only be made by root');
  }
  expect(await packArtifact(options(dir.path, { paths: ['.'] }))).toMatchObject({
    why: expect.stringMatching(/"zero" is a device/),
  });
});

test('hard links are packed as files of their own', async () => {
  using dir = tempDir();
  write(dir.join('ws'), { a: 'same' });
  linkSync(dir.join('ws/a'), dir.join('ws/b'));
  const { manifest } = await pack(dir.path, { paths: ['.'] });
  const same = { type: 'file', mode: '0644', size: 4, sha256: sha256('same') };
  expect(manifest).toEqual([
    { path: 'a', ...same },
    { path: 'b', ...same },
  ]);
});

test.each([
  ['long before 1970', -11_644_473_600],
  ['at the beginning', 0],
  ['beyond 32 bits', 4_294_967_296],
  ['beyond what a plain header holds', 8_589_934_592 + 1],
  ['in ten thousand years', 315_537_897_600],
])('a commit %s keeps its time', async (_when, commitTime) => {
  using dir = tempDir();
  write(dir.join('ws'), { 'd/a': 'a' });
  const one = await pack(dir.path, { paths: ['.'] }, { commitTime });
  const two = await pack(dir.path, { paths: ['.'] }, { commitTime });
  expect(two.packed.sha256).toBe(one.packed.sha256);
  const times = execFileSync('tar', ['-tvzf', one.file, '--full-time'], {
    env: { TZ: 'UTC', LC_ALL: 'C' },
    encoding: 'utf8',
  });
  const year = String(new Date(commitTime * 1000).getUTCFullYear());
  expect(times.match(/ (\d+)-\d\d-\d\d /g)).toEqual(Array(3).fill(expect.stringContaining(` ${year}-`)));
});

test('paths of any length and language come out of GNU tar and of our own unpacking as they went in', async () => {
  using dir = tempDir();
  const names = [
    'a'.repeat(255),
    `${'d'.repeat(60)}/`.repeat(6) + 'end',
    '日本語/ひらがな',
    `${'é'.repeat(120)}/${'ü'.repeat(120)}`,
    '𝒳/\uffe6',
    'sp ace/q"uote/back\\slash/*glob',
  ];
  write(dir.join('ws'), Object.fromEntries(names.map((name, n) => [name, `content ${n}`])));
  symlinkSync(`${'d'.repeat(60)}/`.repeat(6) + 'end', dir.join('ws/long-link'));
  const { file, manifest } = await pack(dir.path, { paths: ['.'] });
  mkdirSync(dir.join('gnu'));
  execFileSync('tar', ['-xzf', file, '-C', dir.join('gnu'), '--strip-components=1']);
  await unpackInput({ file, into: dir.join('own') });
  for (const [n, name] of names.entries()) {
    expect(readFileSync(dir.join('gnu', name), 'utf8')).toBe(`content ${n}`);
    expect(readFileSync(dir.join('own', name), 'utf8')).toBe(`content ${n}`);
  }
  expect(readFileSync(dir.join('own/long-link'), 'utf8')).toBe('content 1');
  const paths = manifest.map(({ path }) => path);
  expect(paths).toEqual(paths.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
});

test('megabytes come out as they went in, from files larger and smaller than what is compressed at once', async () => {
  using dir = tempDir();
  const content = (size: number) => Buffer.from(Array.from({ length: size }, (_, n) => (n * 7919) >> 3));
  const sizes = [0, 1, 511, 512, 513, 262_144, 262_143, 3_000_000];
  write(dir.join('ws'), Object.fromEntries(sizes.map((size) => [`${size}`, content(size)])));
  const { file } = await pack(dir.path, { paths: ['.'] });
  await unpackInput({ file, into: dir.join('own') });
  for (const size of sizes) expect(readFileSync(dir.join('own', `${size}`)).equals(content(size))).toBe(true);
});

test('an aborted packing leaves nothing', async () => {
  using dir = tempDir();
  write(dir.join('ws'), { a: 'a' });
  const signal = AbortSignal.abort(new Error('cancelled'));
  await expect(packArtifact({ ...options(dir.path, { paths: ['a'] }), signal })).rejects.toThrow('cancelled');
  expect(readdirSync(dir.join('out'))).toEqual([]);
});

test.for<[string, { left: number; content: number; files: number }]>([
  ['the tarball', { left: 100_000, content: 3_000_000, files: 0 }],
  ['the manifest', { left: 400_000, content: 10, files: 5_000 }],
])('packing on a disk too full for %s is a fault that leaves nothing', async ([, o], { skip }) => {
  using disk = smallDisk(4 * 1024 * 1024, { skip });
  using dir = tempDir();
  const many = Array.from({ length: o.files }, (_, n) => [`many/${n}`, '']);
  write(dir.join('ws'), { noise: randomBytes(o.content), ...Object.fromEntries(many) });
  disk.fill(o.left);
  const into = join(disk.path, 'out');
  const packing = packArtifact({ ...options(dir.path, { paths: ['.'] }), into });
  await expect(packing).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(readdirSync(into)).toEqual([]);
});

test('content out of all proportion to its compressed size is refused, as unpacking it would be', async () => {
  using dir = tempDir();
  write(dir.join('ws'), { a: '\0'.repeat(200_000) });
  const limits = { ...ARTIFACT_LIMITS, freeBytes: 100_000 };
  const packing = await packArtifact({ ...options(dir.path, { paths: ['a'] }), limits });
  expect(packing).toMatchObject({ ok: false, why: expect.stringMatching(/looks like a mistake/) });
});

type Definition = { paths: string[]; exclude?: string[] };

function options(dir: string, { paths, exclude = [] }: Definition): PackOptions {
  return {
    workspace: join(dir, 'ws'),
    artifact: { name: 'shop', paths, exclude },
    version: '1.4.2',
    commitTime: COMMIT_TIME,
    into: join(dir, 'out'),
    signal: new AbortController().signal,
  };
}

/** Packs what must be packable; the manifest parsed and checked. */
async function pack(dir: string, definition: Definition, more: Partial<PackOptions> = {}) {
  const into = join(dir, `out-${Math.random()}`);
  const packing: Packing = await packArtifact({ ...options(dir, definition), into, ...more });
  if (!packing.ok) throw new Error(packing.why);
  const manifest: ManifestEntry[] = JSON.parse(readFileSync(packing.manifestFile, 'utf8'));
  for (const entry of manifest) expect(manifestEntry.parse(entry)).toEqual(entry);
  return { ...packing, manifest };
}

function list(file: string): string[] {
  const env = { TZ: 'UTC', LC_ALL: 'C.UTF-8' };
  const text = execFileSync('tar', ['-tvzf', file, '--full-time', '--quoting-style=literal'], {
    env,
    encoding: 'utf8',
  });
  return text
    .trim()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '));
}

function write(root: string, files: Record<string, string | Buffer>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

async function listen(path: string): Promise<() => void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return () => server.close();
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
