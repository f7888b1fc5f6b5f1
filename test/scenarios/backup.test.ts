import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Build } from '@reprise/server/api.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enter, PASSWORD, signIn } from '../rig/accounts.ts';
import { ADMIN_TOKEN, Rig } from '../rig/reprise.ts';

const COMMAND = fileURLToPath(new URL('../../server/main.ts', import.meta.url));

/** Whatever engine the tests are run on: with another one, these verbs say what to use instead. */
const ON_SQLITE = { DATABASE_URL: '' };

/** Runs a verb of the command on a data directory. */
function reprise(args: string[], dataDir: string, env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], REPRISE_DATA_DIR: dataDir, ...env },
  });
  return { status, stdout, stderr };
}

const pack = (run: string) => ({
  steps: [{ run: `${run}; mkdir out; echo "made of $REPRISE_COMMIT" > out/made` }],
  artifact: { name: 'made', paths: ['out'] },
});

describe('an installation backed up while builds run, and restored elsewhere', () => {
  let rig: Rig;
  let restored: Rig;
  const held = { passed: 0, running: 0, log: '', artifact: Buffer.alloc(0) };

  const artifactOf = async (of: Rig, build: Build) => {
    const [artifact] = build.artifacts;
    const path = `/api/projects/shop/builds/${build.number}/artifacts/${artifact?.fileName}`;
    const response = await of.fetch(path);
    expect(response.status).toBe(200);
    return Buffer.from(await response.arrayBuffer());
  };

  beforeAll(async () => {
    rig = await Rig.start({ env: ON_SQLITE });
    await rig.startRunner('one');
    await rig.startRunner('two');
    await signIn(rig.address, { login: 'ada', role: 'developer' });
    const project = await rig.project('shop', {
      '.reprise.yml': JSON.stringify({ version: 1, jobs: { pack: pack('true') } }),
    });
    held.passed = await rig.push(project, project.head);
    const passed = await rig.ended('shop', held.passed);
    expect(passed.status).toBe('passed');
    held.log = await rig.log('shop', held.passed, 'pack');
    held.artifact = await artifactOf(rig, passed);
    const flood = `until test -e ${rig.puppets}/hold; do echo "a line more"; sleep 0.01; done`;
    const slow = project.repository.commit('Wait', {
      '.reprise.yml': JSON.stringify({ version: 1, jobs: { pack: pack(flood) } }),
    });
    held.running = await rig.push(project, slow, { before: project.head });
    await rig.logHas('shop', held.running, 'pack', 'a line more');
    // Only the pin keeps this commit: upstream has rewritten its branch.
    project.repository.git('checkout', '--quiet', '--orphan', 'fresh');
    project.repository.commit('Begin anew', { README: 'nothing of before\n' });
    project.repository.git('branch', '--force', 'main', 'fresh');
    project.repository.git('reflog', 'expire', '--expire=now', '--all');
    project.repository.git('gc', '--quiet', '--prune=now');
  });

  afterAll(async () => {
    await restored?.[Symbol.asyncDispose]();
    await rig?.[Symbol.asyncDispose]();
  });

  test('the backup names no problem, holds every digest and not the secret key', () => {
    const made = reprise(['backup', '--to', rig.path('backup')], rig.path('data'));
    expect(made.stderr).toBe('');
    expect(made.status).toBe(0);
    expect(made.stdout).toContain('secret.key) is not in this backup');
    expect(readdirSync(rig.path('backup')).sort()).toEqual([
      'SHA256SUMS',
      'backup.json',
      'blobs',
      'logs',
      'mirrors',
      'reprise.db',
    ]);
    const sums = spawnSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: rig.path('backup') });
    expect(sums.status).toBe(0);
  });

  test('it is restored within 30 seconds, with the key beside it', async () => {
    const began = performance.now();
    const done = reprise(['restore', rig.path('backup')], rig.path('elsewhere'));
    expect(done.stderr).toBe('');
    expect(done.status).toBe(0);
    writeFileSync(rig.path('elsewhere', 'secret.key'), readFileSync(rig.path('data', 'secret.key')), {
      mode: 0o400,
    });
    restored = await Rig.start({ env: { ...ON_SQLITE, REPRISE_DATA_DIR: rig.path('elsewhere') } });
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  test('the finished build, its log and its artifact are there, byte for byte', async () => {
    const build = await restored.api<Build>('GET', `/api/projects/shop/builds/${held.passed}`);
    expect(build.status).toBe('passed');
    expect(await restored.log('shop', held.passed, 'pack')).toBe(held.log);
    expect(await artifactOf(restored, build)).toEqual(held.artifact);
  });

  test('the build that ran goes on with another runner there, from the pinned commit alone', async () => {
    rig.release('hold');
    await restored.startRunner('heir', { env: { REPRISE_STEP_MOUNTS: rig.puppets } });
    const build = await restored.ended('shop', held.running);
    expect(build.status).toBe('passed');
    expect(build.jobs[0]?.attempts).toMatchObject([
      { number: 1, status: 'errored', why: expect.stringMatching(/runner/i) },
      { number: 2, status: 'passed' },
    ]);
    expect(await restored.log('shop', held.running, 'pack', 1)).toContain('a line more');
  });

  test('users sign in, and the audit is whole', async () => {
    await expect(enter(restored.address, { login: 'ada', password: PASSWORD })).resolves.toMatchObject({
      login: 'ada',
    });
    const audit = spawnSync(process.execPath, [COMMAND, 'verify-audit'], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], REPRISE_SERVER: restored.address, REPRISE_TOKEN: ADMIN_TOKEN },
    });
    expect(audit.stdout).toContain('The audit is whole');
    expect(audit.status).toBe(0);
  });

  test('what was restored is found whole, until a byte of an artifact is changed', () => {
    expect(reprise(['verify'], rig.path('elsewhere'))).toMatchObject({ status: 0, stderr: '' });
    const blob = blobBelow(rig.path('elsewhere', 'blobs'), sha256(held.artifact));
    writeFileSync(blob, Buffer.concat([held.artifact.subarray(1), Buffer.from('!')]));
    const found = reprise(['verify'], rig.path('elsewhere'));
    expect(found.stderr).toContain('are not what was recorded');
    expect(found.status).toBe(1);
  });

  test('a directory that holds something, a damaged backup and a newer one are refused, and nothing is restored', () => {
    const full = reprise(['restore', rig.path('backup')], rig.path('elsewhere'));
    expect(full.stderr).toContain('is not empty');
    const head = rig.path('backup', 'backup.json');
    const said = JSON.parse(readFileSync(head, 'utf8'));
    writeFileSync(head, JSON.stringify({ ...said, migrations: [...said.migrations, '9999-of-tomorrow'] }));
    const newer = reprise(['restore', rig.path('backup')], rig.path('empty'));
    expect(newer.stderr).toContain('newer Reprise');
    writeFileSync(head, JSON.stringify(said));
    const blob = blobBelow(rig.path('backup', 'blobs'), sha256(held.artifact));
    writeFileSync(blob, 'something else');
    const damaged = reprise(['restore', rig.path('backup')], rig.path('empty'));
    expect(damaged.stderr).toContain('does not have its digest');
    expect([full.status, newer.status, damaged.status]).toEqual([1, 1, 1]);
    expect(existsSync(rig.path('empty')) ? readdirSync(rig.path('empty')) : []).toEqual([]);
  });

  test('with the records in PostgreSQL each verb says what to use instead', () => {
    const env = { DATABASE_URL: 'postgres://localhost/reprise' };
    for (const args of [['backup', '--to', rig.path('b2')], ['restore', rig.path('backup')], ['verify']]) {
      const { status, stderr } = reprise(args, rig.path('data'), env);
      expect(stderr).toContain('pg_dump');
      expect(status).toBe(2);
    }
  });
});

function blobBelow(blobs: string, digest: string): string {
  return join(blobs, digest.slice(0, 2), digest);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
