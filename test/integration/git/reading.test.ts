import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MirrorRig } from '../../rig/mirrors.ts';
import { makeRepository } from '../../rig/repository.ts';

const FILE = '.reprise.yml';
const look = (at: string[], tag: string | null = null) => ({
  tag,
  file: FILE,
  fileAt: at,
  maxBytes: 1 << 20,
});

/** main: one (v1.0.0, annotated) - two; side: three. */
function history(rig: MirrorRig) {
  const repository = makeRepository(rig.dir.join('upstream'));
  const one = repository.commit('First', { 'a.txt': 'a', [FILE]: 'version: 1\n' });
  repository.git('tag', '--annotate', '--message=One', 'v1.0.0');
  const two = repository.commit('Second\n\nWith a body.', { 'b/c.txt': 'bc' });
  repository.git('checkout', '--quiet', '-b', 'side/way', one);
  const three = repository.commit('Third', { [FILE]: null });
  repository.git('checkout', '--quiet', 'main');
  return { repository, one, two, three, project: rig.project(repository.path) };
}

test('a commit is inspected whole: facts, version, tags and pipeline file', async () => {
  await using rig = new MirrorRig();
  const { repository, one, two, project } = history(rig);
  const found = await rig.mirrors.obtain(project, two, look([two]));
  expect(found).toMatchObject({
    commit: {
      sha: two,
      subject: 'Second',
      message: 'Second\n\nWith a body.',
      authorName: 'Ada Example',
      authorEmail: 'ada@example.test',
      parents: [one],
      committerTime: Date.UTC(2026, 0, 1) / 1000 + 60,
    },
    version: `1.0.0-1-g${two.slice(0, 12)}`,
    tags: [{ name: 'v1.0.0', object: repository.git('rev-parse', 'refs/tags/v1.0.0') }],
    file: { from: two, commit: two, bytes: Buffer.from('version: 1\n') },
    tooLarge: false,
  });
});

test('the pipeline file is taken from the first place that has it', async () => {
  await using rig = new MirrorRig();
  const { two, three, project } = history(rig);
  await rig.mirrors.fetch(project);
  const from = async (at: string[]) => (await rig.mirrors.inspect(project, three, look(at)))?.file;
  expect(await from([three])).toBeNull();
  expect(await from([three, 'refs/heads/side/way', 'refs/heads/main'])).toMatchObject({
    from: 'refs/heads/main',
    commit: two,
  });
  expect(await from([three, 'HEAD'])).toMatchObject({ from: 'HEAD', commit: two });
  expect(await from(['refs/heads/nowhere', 'main^{tree}', 'refs/heads/main\nrefs/heads/main'])).toBeNull();
});

test('a pipeline file of unreasonable size is said to be too large, and the commit is still known', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = history(rig);
  const sha = repository.commit('Huge', { [FILE]: `#${'x'.repeat(2 << 20)}` });
  const found = await rig.mirrors.obtain(project, sha, look([sha]));
  expect(found).toMatchObject({ commit: { subject: 'Huge' }, file: null, tooLarge: true });
});

test('a commit with a message of two megabytes is a commit like any other', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = history(rig);
  writeFileSync(join(repository.path, 'message'), `Long\n\n${'x'.repeat(2 << 20)}`);
  repository.git('commit', '--quiet', '--allow-empty', '--file=message');
  const sha = repository.git('rev-parse', 'HEAD');
  const found = await rig.mirrors.obtain(project, sha, look([sha, 'HEAD']));
  expect(found).toMatchObject({ commit: { subject: 'Long' }, file: { from: sha }, tooLarge: false });
});

test('a folder or a link in the place of the pipeline file is not followed', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = history(rig);
  const folder = repository.commit('Folder', { [FILE]: null, [`${FILE}.d/x`]: '' });
  repository.git('mv', `${FILE}.d`, FILE);
  const asFolder = repository.commit('A folder', {});
  expect((await rig.mirrors.obtain(project, asFolder, look([asFolder, folder])))?.file).toBeNull();
});

test.each([
  ['v2.0.0', 'v2.0.0', '2.0.0'],
  ['2024-01', null, '2024-01'],
  ['release/7', 'release/7', 'release-7'],
])('the version of tag %s (built as %s) is %s', async (name, tag, version) => {
  await using rig = new MirrorRig();
  const { repository, two, project } = history(rig);
  repository.git('tag', name);
  expect((await rig.mirrors.obtain(project, two, look([two], tag)))?.version).toBe(version);
  expect(await rig.mirrors.describe(project, two, tag)).toBe(version);
});

test('tags that are no versions do not make one, and without any the commits are counted', async () => {
  await using rig = new MirrorRig();
  const repository = makeRepository(rig.dir.join('bare-of-tags'));
  repository.commit('First', { a: 'a' });
  const sha = repository.commit('Second', { a: 'b' });
  repository.git('tag', 'nightly');
  const found = await rig.mirrors.obtain(rig.project(repository.path), sha, look([sha]));
  expect(found?.version).toBe(`0.0.0-2-g${sha.slice(0, 12)}`);
  expect(found?.tags.map(({ name }) => name)).toEqual(['nightly']);
});

test('a tag on something that is no commit does not disturb', async () => {
  await using rig = new MirrorRig();
  const { repository, two, project } = history(rig);
  repository.git('tag', 'v9.9.9', repository.git('rev-parse', 'HEAD^{tree}'));
  const found = await rig.mirrors.obtain(project, two, look([two]));
  expect(found?.tags.map(({ name }) => name)).toEqual(['v1.0.0']);
  expect(await rig.mirrors.resolve(project, 'v9.9.9')).toBeNull();
});

test('branches, tags, full refs and short object names are resolved', async () => {
  await using rig = new MirrorRig();
  const { repository, one, two, three, project } = history(rig);
  repository.git('tag', 'main', one);
  await rig.mirrors.fetch(project);
  const resolve = (ref: string) => rig.mirrors.resolve(project, ref);
  const branch = { ref: 'refs/heads/main', branch: 'main', tag: null };
  expect(await resolve('main')).toEqual({ sha: two, ...branch });
  expect(await resolve('refs/heads/main')).toEqual({ sha: two, ...branch });
  expect(await resolve('refs/tags/main')).toMatchObject({ sha: one, tag: 'main' });
  expect(await resolve('side/way')).toMatchObject({ sha: three, branch: 'side/way' });
  expect(await resolve('v1.0.0')).toEqual({ sha: one, ref: 'refs/tags/v1.0.0', branch: null, tag: 'v1.0.0' });
  for (const name of [two, two.slice(0, 7), two.slice(0, 7).toUpperCase()])
    expect(await resolve(name)).toEqual({ sha: two, ref: '', branch: null, tag: null });
});

test('what names nothing, or names an option, resolves to nothing', async () => {
  await using rig = new MirrorRig();
  const { project } = history(rig);
  await rig.mirrors.fetch(project);
  const hostile = [
    '--upload-pack=touch x',
    'main\nmain',
    'a\0b',
    '..',
    'main~1',
    'main:a.txt',
    '@{-1}',
    'HEAD^{/x}',
  ];
  for (const ref of [...hostile, 'nowhere', 'abc', 'f'.repeat(40), 'refs/reprise/keep/x', '', '*'])
    expect(await rig.mirrors.resolve(project, ref), ref).toBeNull();
});

test('the nearest names are offered for a mistyped one', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = history(rig);
  for (const name of ['develop', 'release/1.0', 'release/2.0']) repository.git('branch', name);
  await rig.mirrors.fetch(project);
  expect(await rig.mirrors.nearest(project, 'mian')).toEqual(['main']);
  expect((await rig.mirrors.nearest(project, 'release')).sort()).toEqual(['release/1.0', 'release/2.0']);
  expect(await rig.mirrors.nearest(project, 'refs/heads/Develop')).toEqual(['develop']);
  expect(await rig.mirrors.nearest(project, 'something else entirely')).toEqual([]);
});

test('files are read at a commit, up to a limit and never outside of it', async () => {
  await using rig = new MirrorRig();
  const { one, two, project } = history(rig);
  await rig.mirrors.fetch(project);
  const read = async (sha: string, path: string, most = 100) =>
    (await rig.mirrors.readFile(project, sha, path, most))?.toString() ?? null;
  expect(await read(two, 'b/c.txt')).toBe('bc');
  expect(await read(two, 'b/c.txt', 2)).toBe('bc');
  expect(await read(two, 'b/c.txt', 1)).toBeNull();
  expect(await read(one, 'b/c.txt')).toBeNull();
  for (const path of ['b', '../a.txt', '/a.txt', 'a.txt\n', ''])
    expect(await read(two, path), path).toBeNull();
});

test('changed paths are those of both trees; unknown when the commit before is', async () => {
  await using rig = new MirrorRig();
  const { one, two, three, project } = history(rig);
  await rig.mirrors.fetch(project);
  expect(await rig.mirrors.changedPaths(project, one, two)).toEqual(['b/c.txt']);
  expect(await rig.mirrors.changedPaths(project, two, three)).toEqual([FILE, 'b/c.txt']);
  expect(await rig.mirrors.changedPaths(project, '0'.repeat(40), two)).toBeNull();
  expect(await rig.mirrors.changedPaths(project, 'f'.repeat(40), two)).toBeNull();
  expect(await rig.mirrors.changedPaths(project, '--output=x', two)).toBeNull();
});

test('refs are listed newest first and found by part of their name', async () => {
  await using rig = new MirrorRig();
  const { one, two, three, project } = history(rig);
  await rig.mirrors.fetch(project);
  const refs = await rig.mirrors.refs(project, { query: '', limit: 10 });
  expect(refs.map(({ name, kind, sha }) => [name, kind, sha])).toEqual([
    ['side/way', 'branch', three],
    ['main', 'branch', two],
    ['v1.0.0', 'tag', one],
  ]);
  expect(await rig.mirrors.refs(project, { query: 'WAY', limit: 10 })).toHaveLength(1);
  expect(await rig.mirrors.refs(project, { query: '', limit: 2 })).toHaveLength(2);
});

test('commits are paged without shifting when new ones arrive', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = history(rig);
  for (let i = 3; i <= 7; i++) repository.commit(`Number ${i}`, { n: String(i) });
  await rig.mirrors.fetch(project);
  const page = (before: string | null) =>
    rig.mirrors.commits(project, { ref: 'main', query: '', before, limit: 3 });
  const first = await page(null);
  repository.commit('Newer', { n: 'newer' });
  await rig.mirrors.fetch(project);
  const second = await page(first?.next ?? null);
  const third = await page(second?.next ?? null);
  const subjects = [first, second, third].flatMap((found) => found?.items.map(({ subject }) => subject));
  expect(subjects).toEqual(['Number 7', 'Number 6', 'Number 5', 'Number 4', 'Number 3', 'Second', 'First']);
  expect(third?.next).toBeNull();
  expect((await page(null))?.items[0]?.subject).toBe('Newer');
  expect(
    await rig.mirrors.commits(project, { ref: 'nowhere', query: '', before: null, limit: 3 }),
  ).toBeNull();
});

test('commits are searched by subject, author and object name, on any branch or none', async () => {
  await using rig = new MirrorRig();
  const { repository, one, two, three, project } = history(rig);
  await rig.mirrors.obtain(project, three, look([three]));
  repository.git('branch', '-D', 'side/way');
  await rig.mirrors.fetch(project);
  const search = async (query: string) =>
    (await rig.mirrors.commits(project, { ref: 'main', query, before: null, limit: 10 }))?.items.map(
      ({ sha }) => sha,
    );
  expect(await search('sEcOnD')).toEqual([two]);
  expect(await search('ada ex')).toEqual([two, one]);
  expect(await search(one.slice(0, 8))).toEqual([one]);
  expect(await search(three.slice(0, 8))).toEqual([three]);
  expect(await search('nothing like it')).toEqual([]);
  expect(await search('--output=x')).toEqual([]);
});

test("the default branch is the upstream's, learnt with the first fetch", async () => {
  await using rig = new MirrorRig();
  const { repository, project } = history(rig);
  repository.git('checkout', '--quiet', 'side/way');
  expect(await rig.mirrors.defaultBranch(project)).toBeNull();
  await rig.mirrors.fetch(project);
  expect(await rig.mirrors.defaultBranch(project)).toBe('side/way');
});

test('an empty mirror answers every question with nothing', async () => {
  await using rig = new MirrorRig();
  const repository = makeRepository(rig.dir.join('empty'));
  for (const project of [rig.project(repository.path), rig.project('/never/fetched')]) {
    if (project.clone_url === repository.path) await rig.mirrors.fetch(project);
    expect(await rig.mirrors.isEmpty(project)).toBe(true);
    expect(await rig.mirrors.resolve(project, 'main')).toBeNull();
    expect(await rig.mirrors.nearest(project, 'main')).toEqual([]);
    expect(await rig.mirrors.refs(project, { query: '', limit: 5 })).toEqual([]);
    expect(
      await rig.mirrors.commits(project, { ref: 'main', query: 'x', before: null, limit: 5 }),
    ).toBeNull();
    expect(await rig.mirrors.has(project, 'a'.repeat(40))).toBe(false);
    expect(await rig.mirrors.inspect(project, 'a'.repeat(40), look([]))).toBeNull();
    await expect(rig.mirrors.commit(project, 'a'.repeat(40))).rejects.toThrow(/not in the mirror of shop/);
    await expect(rig.mirrors.pin(project, 'a'.repeat(40))).rejects.toThrow(/cannot be kept/);
  }
});

test('hostile texts of a commit come through byte for byte', async () => {
  await using rig = new MirrorRig();
  const repository = makeRepository(rig.dir.join('hostile'));
  const subject = '$(touch x) `id` <script>alert(1)</script> \u202e \x1b[31m --upload-pack=x';
  const sha = repository.commit(subject, { a: 'a' });
  repository.git('branch', '$(id)');
  repository.git('branch', '#{x}');
  const project = rig.project(repository.path);
  expect((await rig.mirrors.obtain(project, sha, look([sha])))?.commit.subject).toBe(subject);
  expect(
    (await rig.mirrors.commits(project, { ref: '$(id)', query: '', before: null, limit: 1 }))?.items[0]
      ?.subject,
  ).toBe(subject);
  expect(await rig.mirrors.resolve(project, '#{x}')).toMatchObject({ branch: '#{x}' });
});
