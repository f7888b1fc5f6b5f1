import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { keepRef } from '@reprise/server/git/mirrors.ts';
import { expect, test } from 'vitest';
import { MirrorRig } from '../../rig/mirrors.ts';
import { makeRepository, type TestRepository } from '../../rig/repository.ts';

const look = { tag: null, file: '.reprise.yml', fileAt: [], maxBytes: 1 << 20 };

function upstream(rig: MirrorRig) {
  const repository = makeRepository(rig.dir.join('upstream'));
  const first = repository.commit('First', { a: 'a' });
  return { repository, first, project: rig.project(`file://${repository.path}`) };
}

/** What the mirror holds, asked of git itself. */
function inMirror(rig: MirrorRig, project: { id: string }, ...args: string[]): string {
  return execFileSync('git', ['--git-dir', rig.mirrors.directory(project), ...args], {
    encoding: 'utf8',
  }).trim();
}

/** Commits something to a branch, takes the branch away, and returns the commit that nothing leads to any more. */
function forcedAway(repository: TestRepository, name: string): string {
  repository.git('checkout', '--quiet', '-b', name);
  const sha = repository.commit(`On ${name}`, { [name]: name });
  repository.git('checkout', '--quiet', 'main');
  repository.git('branch', '--quiet', '-D', name);
  return sha;
}

test('every branch and tag is fetched, and what is gone upstream goes, but for pinned commits', async () => {
  await using rig = new MirrorRig();
  const { repository, first, project } = upstream(rig);
  repository.git('branch', 'old');
  repository.git('tag', 'v0.1');
  await rig.mirrors.fetch(project);
  await rig.mirrors.pin(project, first);
  repository.git('branch', '-D', 'old');
  repository.git('tag', '-d', 'v0.1');
  repository.commit('Rewritten', { a: 'b' });
  repository.git('commit', '--quiet', '--amend', '--message', 'Rewritten again');
  await rig.mirrors.fetch(project);
  expect(inMirror(rig, project, 'for-each-ref', '--format=%(refname)').split('\n')).toEqual([
    'refs/heads/main',
    keepRef(first),
  ]);
  expect(inMirror(rig, project, 'rev-parse', 'main')).toBe(repository.git('rev-parse', 'main'));
});

test('a wanted branch comes with the tags and nothing else', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  await rig.mirrors.fetch(project);
  const sha = repository.commit('Second', { a: 'b' });
  repository.git('tag', 'v2.0.0');
  repository.git('branch', 'other');
  const found = await rig.mirrors.obtain(project, sha, { ...look, wants: ['refs/heads/main'] });
  expect(found?.version).toBe('2.0.0');
  expect(await rig.mirrors.resolve(project, 'other')).toBeNull();
  await rig.mirrors.fetch(project);
  expect(await rig.mirrors.resolve(project, 'other')).not.toBeNull();
});

test("a pull request's head is fetched when it is wanted", async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  const sha = forcedAway(repository, 'fork');
  repository.git('update-ref', 'refs/pull/7/head', sha);
  await rig.mirrors.fetch(project, { wants: ['refs/pull/7/head', 'refs/pull/8/head'] });
  expect(await rig.mirrors.resolve(project, 'refs/pull/7/head')).toMatchObject({
    sha,
    ref: 'refs/pull/7/head',
  });
  expect(await rig.mirrors.resolve(project, 'refs/pull/8/head')).toBeNull();
});

test('a commit that was force-pushed away is fetched by its name and kept', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  await rig.mirrors.fetch(project);
  const sha = forcedAway(repository, 'gone');
  const found = await rig.mirrors.obtain(project, sha, { ...look, wants: ['refs/heads/gone'] });
  expect(found?.commit.subject).toBe('On gone');
  expect(inMirror(rig, project, 'rev-parse', keepRef(sha))).toBe(sha);
});

test('a commit that does not exist is no fault, and everything else was fetched', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  await rig.mirrors.fetch(project);
  const sha = repository.commit('Second', { a: 'b' });
  expect(
    await rig.mirrors.obtain(project, 'f'.repeat(40), { ...look, wants: ['refs/heads/nope'] }),
  ).toBeNull();
  expect(await rig.mirrors.has(project, sha)).toBe(true);
});

test('a branch that became a folder of branches is fetched all the same', async () => {
  await using rig = new MirrorRig();
  const { repository, first, project } = upstream(rig);
  repository.git('branch', 'feature');
  await rig.mirrors.fetch(project);
  repository.git('branch', '-D', 'feature');
  repository.git('branch', 'feature/one');
  await rig.mirrors.fetch(project, { wants: ['refs/heads/feature/one'] });
  expect(await rig.mirrors.resolve(project, 'feature/one')).toMatchObject({ sha: first });
});

test('names that are no refs are refused before git sees them', async () => {
  await using rig = new MirrorRig();
  const { project } = upstream(rig);
  const canary = rig.dir.join('canary');
  for (const name of [
    `refs/heads/x\n--upload-pack=touch ${canary}`,
    'refs/heads/..',
    'refs/reprise/keep/x',
    'refs/heads/*',
  ])
    await expect(rig.mirrors.fetch(project, { wants: [name] })).rejects.toMatchObject({
      status: 422,
      code: 'unknown-ref',
    });
  await rig.mirrors.fetch(project, { wants: [`--upload-pack=touch ${canary}`, '-x'] });
  expect(existsSync(canary)).toBe(false);
});

test('a transport that is not listed is refused with a sentence', async () => {
  await using rig = new MirrorRig();
  const { project } = upstream(rig);
  await rig.mirrors.close();
  const fault = await rig
    .open({ protocols: ['https', 'ssh'] })
    .fetch(project)
    .catch((error) => error);
  expect(fault).toMatchObject({
    kind: 'unreachable',
    sentence: expect.stringMatching(/does not fetch over file/),
  });
});

test("an upstream that is not there is reported in git's words, without paths of credentials", async () => {
  await using rig = new MirrorRig();
  const fault = await rig.mirrors.fetch(rig.project(rig.dir.join('nowhere'))).catch((error) => error);
  expect(fault).toMatchObject({ name: 'MirrorFault', kind: 'unreachable' });
  expect(fault.sentence).toMatch(
    /^Git could not fetch .*nowhere: fatal: '.*nowhere' does not appear to be a git repository/,
  );
});

test('flaws of old histories are no obstacle, but a tree that would harm a checkout is', async () => {
  await using rig = new MirrorRig();
  const { repository, first, project } = upstream(rig);
  const object = (type: string, bytes: Buffer | string) =>
    execFileSync('git', ['hash-object', '--literally', '-w', '-t', type, '--stdin'], {
      cwd: repository.path,
      input: bytes,
      encoding: 'utf8',
    }).trim();
  const entry = (mode: string, name: string, sha: string) =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(sha, 'hex')]);
  const commit = (tree: string, author: string) =>
    object('commit', `tree ${tree}\nparent ${first}\nauthor ${author}\ncommitter ${author}\n\nOld\n`);
  const blob = object('blob', 'x');
  const padded = object('tree', entry('040000', 'd', object('tree', entry('100644', 'f', blob))));
  const old = commit(padded, 'No Zone <a@b.c> 1 +051800');
  repository.git('update-ref', 'refs/heads/old', old);
  await rig.mirrors.fetch(project);
  expect(await rig.mirrors.resolve(project, 'old')).toMatchObject({ sha: old });

  const hostile = commit(
    object('tree', entry('40000', '.git', object('tree', entry('100644', 'config', blob)))),
    'A <a@b.c> 1 +0000',
  );
  repository.git('update-ref', 'refs/heads/hostile', hostile);
  await expect(rig.mirrors.fetch(project)).rejects.toThrow(/hasDotgit/);
  expect(await rig.mirrors.has(project, hostile)).toBe(false);
});

test('what waits for a fetch under way is fetched together', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  const noted = rig.openNoting();
  await rig.mirrors.fetch(project);
  noted();
  const shas = Array.from({ length: 20 }, (_, i) => repository.commit(`Number ${i}`, { n: String(i) }));
  const first = rig.mirrors.fetch(project, { wants: shas.slice(0, 1) });
  await new Promise(setImmediate);
  await Promise.all([first, ...shas.slice(1).map((sha) => rig.mirrors.fetch(project, { wants: [sha] }))]);
  expect(await Promise.all(shas.map((sha) => rig.mirrors.has(project, sha)))).not.toContain(false);
  expect(noted().filter((line) => line.startsWith('fetch ')).length).toBeLessThanOrEqual(2);
});

test('planning a build on a warm mirror takes four git processes, three without tags, and pinning none', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  repository.git('tag', 'v1.0.0');
  const noted = rig.openNoting();
  await rig.mirrors.fetch(project);
  noted();
  const sha = repository.commit('Second', { '.reprise.yml': 'version: 1\n' });
  await rig.mirrors.obtain(project, sha, { ...look, fileAt: [sha, 'HEAD'], wants: ['refs/heads/main'] });
  const commands = noted().map((line) => line.split(' ', 1)[0]);
  expect(commands.sort()).toEqual(['cat-file', 'describe', 'fetch', 'for-each-ref']);
  await rig.mirrors.pin(project, sha);
  expect(await rig.mirrors.has(project, sha)).toBe(true);
  expect(noted()).toEqual([]);

  repository.git('tag', '-d', 'v1.0.0');
  const untagged = repository.commit('Third', { a: 'b' });
  const found = await rig.mirrors.obtain(project, untagged, { ...look, wants: ['refs/heads/main'] });
  expect(found).toMatchObject({ version: `0.0.0-3-g${untagged.slice(0, 12)}`, tags: [] });
  expect(noted().map((line) => line.split(' ', 1)[0])).toHaveLength(3);
});

/** A server that takes connections and never says a word. */
async function silentServer(): Promise<{
  port: number;
  connected: Promise<Socket>;
  [Symbol.dispose](): void;
}> {
  const sockets: Socket[] = [];
  const { promise: connected, resolve } = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    resolve(socket);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    port: (server.address() as { port: number }).port,
    connected,
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('a hanging upstream costs its time-out, and its git processes end with it', async () => {
  await using rig = new MirrorRig();
  const { project } = upstream(rig);
  await rig.mirrors.fetch(project);
  using silent = await silentServer();
  const hanging = { ...project, clone_url: `http://127.0.0.1:${silent.port}/x.git` };
  const fault = rig.mirrors.fetch(hanging, { timeoutMs: 400 }).catch((error) => error);
  const socket = await silent.connected;
  const closed = once(socket, 'close');
  expect(await fault).toMatchObject({
    kind: 'timeout',
    sentence: expect.stringMatching(/was not done within/),
  });
  socket.resume();
  await closed;
  await rig.mirrors.fetch(project);
});

test('a caller that gives up leaves alone those who wait for the same', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  await rig.mirrors.fetch(project);
  const sha = repository.commit('Second', { a: 'b' });
  const impatient = new AbortController();
  const [given, waited] = [
    rig.mirrors.fetch(project, { signal: impatient.signal }),
    rig.mirrors.fetch(project, { wants: [sha] }),
  ];
  impatient.abort(new Error('I changed my mind'));
  await expect(given).rejects.toThrow('I changed my mind');
  await waited;
  expect(await rig.mirrors.has(project, sha)).toBe(true);
});

test('closing ends a fetch under way and refuses the next', async () => {
  await using rig = new MirrorRig();
  using silent = await silentServer();
  const hanging = rig.project(`http://127.0.0.1:${silent.port}/x.git`);
  const fetching = rig.mirrors.fetch(hanging).catch((error) => error);
  const socket = await silent.connected;
  const closed = once(socket, 'close');
  await rig.mirrors.close();
  expect(String(await fetching)).toMatch(/stopping/);
  socket.resume();
  await closed;
  await expect(rig.mirrors.fetch(hanging)).rejects.toMatchObject({ status: 503 });
});

test('lock files and half packs of a killed git are in nobody’s way', async () => {
  await using rig = new MirrorRig();
  const { repository, first, project } = upstream(rig);
  await rig.mirrors.fetch(project);
  const directory = rig.mirrors.directory(project);
  const litter = [
    'packed-refs.lock',
    'HEAD.lock',
    'config.lock',
    'refs/heads/main.lock',
    'objects/pack/tmp_pack_x',
    `refs/reprise/keep/${first}.lock`,
  ];
  const dropLitter = () => {
    for (const name of litter) writeFileSync(join(directory, name), 'x');
  };
  dropLitter();
  rig.open();
  repository.commit('Second', { a: 'b' });
  await rig.mirrors.fetch(project);
  expect(litter.filter((name) => existsSync(join(directory, name)))).toEqual([]);
  // Also in the middle of a server's life, as when a git is killed by the kernel for memory.
  writeFileSync(join(directory, 'refs/heads/main.lock'), 'x');
  const third = repository.commit('Third', { a: 'c' });
  await rig.mirrors.obtain(project, third, { ...look, wants: ['refs/heads/main'] });
  expect(inMirror(rig, project, 'rev-parse', 'main')).toBe(third);
});

test('a fetch killed at any moment leaves a mirror that the next one completes', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  await rig.mirrors.fetch(project);
  const directory = rig.mirrors.directory(project);
  for (let round = 0; round < 6; round++) {
    const files = Object.fromEntries(
      Array.from({ length: 150 }, (_, i) => [`f${i}`, `${round} ${i}`.repeat(50)]),
    );
    const sha = repository.commit(`Round ${round}`, files);
    const args = [
      '--git-dir',
      directory,
      'fetch',
      '--progress',
      '--',
      project.clone_url,
      '+refs/heads/*:refs/heads/*',
    ];
    const child = spawn('git', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    // Killed at its first, second, … sign of progress.
    for (let at = 0; at < round && child.exitCode === null; at++)
      await Promise.race([once(child.stderr, 'data'), once(child, 'exit')]);
    child.kill('SIGKILL');
    await once(child, 'close');
    rig.open();
    const found = await rig.mirrors.obtain(project, sha, { ...look, wants: ['refs/heads/main'] });
    expect(found?.commit.sha).toBe(sha);
  }
  inMirror(rig, project, 'fsck', '--full', '--strict');
});

const packsOf = (rig: MirrorRig, project: { id: string }): string[] =>
  readdirSync(join(rig.mirrors.directory(project), 'objects/pack'))
    .filter((name) => name.endsWith('.pack'))
    .map((name) => join(rig.mirrors.directory(project), 'objects/pack', name));

/** Puts everything into one pack, so that damage has a place. */
function onePack(rig: MirrorRig, project: { id: string }): string {
  inMirror(rig, project, 'repack', '-a', '-d', '-q');
  return packsOf(rig, project)[0] ?? '';
}

test('a truncated pack is noticed, and the next build finds a mirror made anew with its pins', async () => {
  await using rig = new MirrorRig();
  const { repository, first, project } = upstream(rig);
  await rig.mirrors.obtain(project, first, look);
  const second = repository.commit('Second', { a: 'b'.repeat(5000) });
  await rig.mirrors.fetch(project);
  const pack = onePack(rig, project);
  truncateSync(pack, 40);
  rig.open();
  const found = await rig.mirrors.obtain(project, second, { ...look, wants: ['refs/heads/main'] });
  expect(found?.commit.subject).toBe('Second');
  expect(inMirror(rig, project, 'rev-parse', keepRef(first))).toBe(first);
  inMirror(rig, project, 'fsck', '--full');
  expect(rig.logged()).toMatch(/a damaged mirror was made anew/);
  expect(existsSync(`${rig.mirrors.directory(project)}.damaged`)).toBe(false);
});

test('pinned commits that no branch leads to are saved out of a damaged mirror', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  const gone = forcedAway(repository, 'gone');
  await rig.mirrors.obtain(project, gone, look);
  repository.git('reflog', 'expire', '--expire=now', '--all');
  repository.git('gc', '--quiet', '--prune=now');
  expect(() => repository.git('cat-file', '-e', gone)).toThrow();
  const before = packsOf(rig, project);
  const lost = repository.commit('Second', { a: 'b' });
  await rig.mirrors.fetch(project);
  for (const pack of packsOf(rig, project)) if (!before.includes(pack)) truncateSync(pack, 40);
  rig.open();
  const found = await rig.mirrors.obtain(project, lost, { ...look, wants: ['refs/heads/main'] });
  expect(found?.commit.sha).toBe(lost);
  expect(await rig.mirrors.inspect(project, gone, look)).toMatchObject({ commit: { subject: 'On gone' } });
  expect(inMirror(rig, project, 'rev-parse', keepRef(gone))).toBe(gone);
});

test('a pin that nothing holds any more is named, and the damaged mirror is left for the operator', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  const gone = forcedAway(repository, 'gone');
  await rig.mirrors.obtain(project, gone, look);
  repository.git('reflog', 'expire', '--expire=now', '--all');
  repository.git('gc', '--quiet', '--prune=now');
  truncateSync(onePack(rig, project), 40);
  rig.open();
  const second = repository.commit('Second', { a: 'b' });
  expect(await rig.mirrors.obtain(project, second, { ...look, wants: ['refs/heads/main'] })).not.toBeNull();
  expect(await rig.mirrors.has(project, gone)).toBe(false);
  expect(existsSync(`${rig.mirrors.directory(project)}.damaged`)).toBe(true);
  expect(rig.logged()).toContain(`"lost":["${gone}"]`);
});

test('a damaged mirror stays while its upstream is away, and serves what can still be read', async () => {
  await using rig = new MirrorRig();
  const { repository, first, project } = upstream(rig);
  await rig.mirrors.obtain(project, first, look);
  const before = packsOf(rig, project);
  const second = repository.commit('Second', { a: 'b' });
  await rig.mirrors.fetch(project);
  for (const pack of packsOf(rig, project)) if (!before.includes(pack)) truncateSync(pack, 40);
  rig.open();
  const away = { ...project, clone_url: rig.dir.join('away') };
  await rig.mirrors.inspect(project, second, look).catch(() => null);
  await expect(rig.mirrors.fetch(away)).rejects.toMatchObject({ name: 'MirrorFault' });
  expect(await rig.mirrors.inspect(project, first, look)).not.toBeNull();
});

test('a mirror whose making-anew was interrupted is taken up again', async () => {
  await using rig = new MirrorRig();
  const { first, project } = upstream(rig);
  await rig.mirrors.obtain(project, first, look);
  const directory = rig.mirrors.directory(project);
  execFileSync('mv', [directory, `${directory}.damaged`]);
  execFileSync('mkdir', [`${directory}.anew`]);
  rig.open();
  await rig.mirrors.fetch(project);
  expect(inMirror(rig, project, 'rev-parse', keepRef(first))).toBe(first);
  expect(readdirSync(rig.dir.join('data/mirrors')).filter((name) => name.includes('.git.'))).toEqual([]);
});

test('a mirror that lost its configuration gets it back, and keeps everything else', async () => {
  await using rig = new MirrorRig();
  const { first, project } = upstream(rig);
  await rig.mirrors.obtain(project, first, look);
  const config = join(rig.mirrors.directory(project), 'config');
  const written = readFileSync(config, 'utf8');
  for (const spoilt of [null, '[core]\n\tbare = true\n[remote "x"]\n\turl = ext::id\n']) {
    if (spoilt === null) rmSync(config);
    else writeFileSync(config, spoilt);
    rig.open();
    await rig.mirrors.fetch(project);
    expect(readFileSync(config, 'utf8')).toBe(written);
    expect(inMirror(rig, project, 'rev-parse', keepRef(first))).toBe(first);
  }
});

test('an upstream whose HEAD names no branch has no default branch', async () => {
  await using rig = new MirrorRig();
  const { repository, first, project } = upstream(rig);
  writeFileSync(join(repository.path, '.git/HEAD'), `${first}\n`);
  await rig.mirrors.fetch(project);
  expect(await rig.mirrors.defaultBranch(project)).toBeNull();
  expect(await rig.mirrors.has(project, first)).toBe(true);
});

test('many small fetches are put together, and nothing that was fetched is lost by it', async () => {
  await using rig = new MirrorRig();
  const { repository, project } = upstream(rig);
  const gone = forcedAway(repository, 'gone');
  await rig.mirrors.fetch(project, { wants: [gone] });
  const directory = rig.mirrors.directory(project);
  // 4,300 loose objects, as some hundred pushes would leave.
  const blobs = Array.from({ length: 4300 }, (_, i) => `blob\nmark :${i + 1}\ndata <<E\n${i}\nE\n`).join(
    '\n',
  );
  execFileSync(
    'git',
    ['--git-dir', directory, '-c', 'fastimport.unpackLimit=100000', 'fast-import', '--quiet'],
    { input: blobs },
  );
  const loose = () =>
    readdirSync(join(directory, 'objects')).filter((name) => /^[0-9a-f]{2}$/.test(name)).length;
  expect(loose()).toBeGreaterThan(200);
  await rig.mirrors.fetch(project);
  await rig.mirrors.fetch(project, { maxAgeMs: 0 });
  expect(loose()).toBeLessThan(10);
  expect(await rig.mirrors.has(project, gone)).toBe(true);
  expect(inMirror(rig, project, 'cat-file', '-t', gone)).toBe('commit');
  expect(readFileSync(join(directory, 'packed-refs'), 'utf8')).toContain('refs/heads/main');
});

test('a project that is removed leaves nothing', async () => {
  await using rig = new MirrorRig();
  const { first, project } = upstream(rig);
  await rig.mirrors.obtain(project, first, look);
  await rig.mirrors.remove(project);
  expect(readdirSync(rig.dir.join('data/mirrors'))).toEqual(['.github-host-keys']);
});

test('this machine’s git is new enough, and an older one is refused by name', async () => {
  await using rig = new MirrorRig();
  await rig.mirrors.assertGit();
  const bin = rig.dir.join('bin');
  execFileSync('mkdir', [bin]);
  writeFileSync(join(bin, 'git'), '#!/bin/sh\necho git version 2.34.1\n', { mode: 0o755 });
  const old = rig.open({ path: bin });
  await expect(old.assertGit()).rejects.toThrow(/needs git 2\.39\.5 or newer, but finds 2\.34\.1/);
});
