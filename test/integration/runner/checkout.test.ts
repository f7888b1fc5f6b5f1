import { readdirSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mirrors } from '@reprise/runner/checkout/mirrors.ts';
import { Client } from '@reprise/runner/client.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RepriseProcess } from '../../rig/process.ts';
import { ProtocolServer } from '../../rig/protocol-server.ts';
import { makeRepository } from '../../rig/repository.ts';
import { startRunnerProcess } from '../../rig/runner-process.ts';
import { tempDir } from '../../rig/temp.ts';

const dir = tempDir();
const repository = makeRepository(dir.join('repository'));
const mirror = dir.join('runner', 'mirrors', 'shop.git');
let server: ProtocolServer;
let runner: RepriseProcess;

beforeAll(async () => {
  repository.commit('First', { 'run.sh': '#!/bin/sh\necho ran\n', 'dir/file': 'content\n' });
  repository.git('update-index', '--chmod=+x', 'run.sh');
  repository.git('commit', '--quiet', '--message', 'Make it a program');
  repository.git('checkout', '--quiet', '--', '.');
  server = await ProtocolServer.start(repository);
  runner = startRunnerProcess(server, { dataDir: dir.join('runner') });
  await runner.line(/runner ready/);
});

afterAll(async () => {
  await runner.stop();
  await server[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

const gitRequests = () => server.requests.filter((request) => request.includes('/git/')).length;

describe('the workspace', () => {
  test('is a whole repository, detached at the commit', async () => {
    const { result, log } = await server.perform({
      steps: [
        'git rev-parse HEAD; git status --short --branch; git log --format=%s; git remote get-url origin',
        'git fsck --full; git switch -qc work; echo more > more; git add .; git -c user.name=a -c user.email=b commit -qm More; git gc -q; git log --format=%s',
      ],
    });
    expect(result.status, log).toBe('passed');
    const head = repository.git('rev-parse', 'HEAD');
    const subjects = 'Make it a program\nFirst\n';
    expect(log).toContain(`${head}\n## HEAD (no branch)\n${subjects}https://forge.test/shop.git\n`);
    expect(log).toMatch(new RegExp(`More\n${subjects}$`));
  });

  test("has git's modes under the usual umask, and nothing of the runner's", async () => {
    const { log } = await server.perform({ steps: ['stat -c "%a %U %n" . run.sh dir dir/file', './run.sh'] });
    expect(log).toMatch(/755 build \.\n755 build run\.sh\n755 build dir\n644 build dir\/file\nran\n$/);
  });

  test('has the recorded tags, annotated ones too, and only those', async () => {
    repository.git('tag', 'v1');
    repository.git('tag', '--annotate', '--message', 'Second', 'v2');
    repository.git('tag', 'later');
    const tags = ['v1', 'v2'].map((name) => ({
      name,
      object: repository.git('rev-parse', `refs/tags/${name}`),
    }));
    const { result, log } = await server.perform({
      tags,
      steps: ['git tag; git describe; git cat-file tag v2 | tail -n 1'],
    });
    expect(result.status, log).toBe('passed');
    expect(log).toMatch(/v1\nv2\nv2\nSecond\n$/);
  });

  test('shows a recorded tag that was moved upstream since as it was, and leaves out what nobody has', async () => {
    repository.git('tag', '--annotate', '--message', 'Old', 'moved');
    const old = repository.git('rev-parse', 'refs/tags/moved');
    repository.git('tag', '--force', '--annotate', '--message', 'New', 'moved');
    const { log } = await server.perform({
      tags: [
        { name: 'moved', object: old },
        { name: 'gone', object: '1'.repeat(40) },
      ],
      steps: ['git tag; git cat-file tag moved | tail -n 1'],
    });
    expect(log).toContain('the tag gone is no longer known and is left out');
    expect(log).toMatch(/moved\nOld\n$/);
  });

  test.each(['../../evil', 'a b', 'x\n1111 refs/heads/evil', '-flag', 'a..b'])(
    'is not confused by a tag called %j',
    async (name) => {
      const tags = [{ name, object: repository.git('rev-parse', 'HEAD') }];
      const { result, log } = await server.perform({ tags, steps: ['git for-each-ref'] });
      expect(result.status).toBe('passed');
      expect(log.split('\n').slice(1).join('')).not.toContain('refs/');
    },
  );

  test('names the submodules and the LFS contents that it lacks', async () => {
    const commit = repository.commit('Odd parts', {
      '.gitmodules': '[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://forge.test/lib.git\n',
      '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n',
      'big.bin': 'version https://git-lfs.github.com/spec/v1\n',
    });
    const { result, log } = await server.perform({ commit, steps: ['true'] });
    expect(result.status, log).toBe('passed');
    expect(log).toContain('Not fetched: the submodules that .gitmodules names:\n  vendor/lib\n');
    expect(log).toMatch(/Git LFS keeps elsewhere; the workspace has their pointers:\n {2}big\.bin\n/);
    repository.commit('Plain again', { '.gitmodules': null, '.gitattributes': null, 'big.bin': null });
  });

  test('runs nothing that the repository or the job asks git to run', async () => {
    const commit = repository.commit('Hostile', {
      '.gitattributes': '*.txt filter=evil\n',
      'a.txt': 'a',
      '.gitconfig': '[filter "evil"]\n\tsmudge = touch /tmp/evil\n',
    });
    const { result, log } = await server.perform({
      commit,
      job: {
        env: {
          GIT_CONFIG_COUNT: '1',
          GIT_CONFIG_KEY_0: 'filter.evil.smudge',
          GIT_CONFIG_VALUE_0: 'touch /tmp/evil; cat',
          GIT_DIR: '/nowhere',
        },
      },
      steps: ['test ! -e /tmp/evil'],
    });
    expect(result.status, log).toBe('passed');
    repository.commit('Plain again', { '.gitattributes': null, 'a.txt': null, '.gitconfig': null });
  });

  test('of one attempt is gone before the next', async () => {
    await server.perform({
      steps: ['touch left; mkdir closed; touch closed/in; chmod 000 closed; echo 1 > ~/left'],
    });
    const { log } = await server.perform({ steps: ['ls -A; ls -A ~ /tmp'] });
    expect(log).not.toContain('left');
  });
});

describe('the mirror', () => {
  test('is asked for nothing when it has the commit', async () => {
    await server.perform();
    const before = gitRequests();
    const { result, log } = await server.perform();
    expect(result.status).toBe('passed');
    expect(gitRequests()).toBe(before);
    expect(log).not.toContain('fetched');
  });

  test('fetches a new commit, with new tags, in a single request', async () => {
    await server.perform();
    const before = gitRequests();
    const commit = repository.commit('New', { new: 'yes' });
    repository.git('tag', '--annotate', '--message', 'Release', 'v9');
    const tags = [{ name: 'v9', object: repository.git('rev-parse', 'refs/tags/v9') }];
    const { result, log } = await server.perform({ commit, tags, steps: ['cat new; git describe'] });
    expect(result.status, log).toBe('passed');
    expect(log).toContain('v9\n');
    expect(gitRequests()).toBe(before + 1);
  });

  test('falls back to git fetch when the single request is not answered as it should be', async () => {
    const commit = repository.commit('Newer', { newer: 'yes' });
    let posts = 0;
    server.fault = (request) => (request.endsWith('/git-upload-pack') && posts++ === 0 ? 'html' : null);
    const { result, log } = await server.perform({
      commit,
      steps: ['cat newer; git fsck --connectivity-only'],
    });
    server.fault = () => null;
    expect(result.status, log).toBe('passed');
    expect(posts).toBeGreaterThan(1);
  });

  test('fetches a commit that no branch has any more', async () => {
    const commit = repository.commit('Orphaned', { orphan: 'yes' });
    repository.git('reset', '--quiet', '--hard', 'HEAD~1');
    const { result, log } = await server.perform({ commit, steps: ['cat orphan'] });
    expect(result.status, log).toBe('passed');
  });

  test('gives a sentence when the server does not have the commit', async () => {
    const commit = '2'.repeat(40);
    const attempt = server.offer({ keepRef: `refs/reprise/keep/${commit}` });
    attempt.assignment.commit = commit;
    const result = await attempt.finished;
    expect(result).toMatchObject({ status: 'errored', why: expect.stringContaining('git could not fetch') });
    expect(result.why).not.toContain(attempt.assignment.gitToken);
    expect(result.steps.map((step) => step.status)).toEqual(['skipped']);
  });

  test('that is damaged is made anew, during a fetch as well as before a checkout', async () => {
    await server.perform();
    damageObjects();
    const unchanged = await server.perform({ steps: ['cat dir/file'] });
    expect(unchanged.result.status, unchanged.log).toBe('passed');
    expect(unchanged.log).toContain('damaged and is fetched anew');

    damageObjects();
    const commit = repository.commit('One more', { 'dir/file': 'changed\n' });
    const changed = await server.perform({ commit, steps: ['cat dir/file'] });
    expect(changed.result.status, changed.log).toBe('passed');
    expect(changed.log).toMatch(/changed\n$/);
  });

  test('that a killed git left locked serves the next job', async () => {
    const commit = repository.commit('Locked', { locked: 'yes' });
    await server.perform();
    const next = repository.commit('After', { after: 'yes' });
    writeFileSync(join(mirror, `refs/reprise/keep/${next}.lock`), '');
    writeFileSync(join(mirror, 'objects/pack/tmp_pack_half'), 'half');
    const { result, log } = await server.perform({ commit: next, steps: ['cat after'] });
    expect(result.status, log).toBe('passed');
    expect(commit).not.toBe(next);
  });
});

describe('mirrors', () => {
  test('go when disk is short: the one used longest ago first, never one in use', async () => {
    const directory = dir.join('mirrors');
    const client = new Client(server.address, () => server.token);
    const world = { env: { PATH: process.env['PATH'] ?? '' } };
    const mirrors = new Mirrors({ directory, server: server.address, client, world, timeScale: 10 });
    const { assignment } = (await server.perform()).attempt;
    const signal = new AbortController().signal;
    for (const project of ['old', 'used', 'new']) await mirrors.fetch({ ...assignment, project }, signal);
    for (const [project, minutesAgo] of [
      ['old', 2],
      ['used', 3],
      ['new', 1],
    ] as const) {
      const at = new Date(Date.now() - minutesAgo * 60_000);
      utimesSync(join(directory, `${project}.git`, 'HEAD'), at, at);
    }
    mirrors.hold('used');
    expect(await mirrors.removeOldest()).toBe('old');
    expect(await mirrors.removeOldest()).toBe('new');
    expect(await mirrors.removeOldest()).toBeNull();
    expect(readdirSync(directory)).toEqual(['used.git']);
    client.close();
  });
});

/** Cuts every object and pack of the mirror in half. */
function damageObjects(): void {
  const objects = join(mirror, 'objects');
  for (const entry of readdirSync(objects, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !entry.name.endsWith('.idx'))
      truncateSync(path, Math.floor(statSync(path).size / 2));
  }
}
