import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDeployKey } from '@reprise/server/git/deploy-key.ts';
import { expect, test } from 'vitest';
import { commandLinesDuring, filesWith } from '../../rig/canary.ts';
import { startGitServer } from '../../rig/git-server.ts';
import { MirrorRig } from '../../rig/mirrors.ts';
import { makeRepository } from '../../rig/repository.ts';
import { startSshd } from '../../rig/sshd.ts';

const TOKEN = 'ghp_aTokenThatNobodyMaySee0123456789';
const BASIC = Buffer.from(`x-access-token:${TOKEN}`).toString('base64');
const FORGE = { user: 'x-access-token', token: TOKEN };

test('a repository behind a token is fetched with it', async () => {
  await using rig = new MirrorRig();
  const sha = makeRepository(rig.dir.join('upstream')).commit('First', { a: 'a' });
  await using forge = await startGitServer(rig.dir.path, FORGE);
  const project = rig.project(`${forge.address}/upstream/.git`, { kind: 'token', secret: TOKEN });
  await rig.mirrors.fetch(project);
  expect(await rig.mirrors.has(project, sha)).toBe(true);
  expect(await rig.mirrors.defaultBranch(project)).toBe('main');
});

test('the token is in no argument, no file and no log, whether it is right or wrong', async () => {
  await using rig = new MirrorRig();
  makeRepository(rig.dir.join('upstream')).commit('First', { a: 'a' });
  await using forge = await startGitServer(rig.dir.path, FORGE);
  const url = `${forge.address}/upstream/.git`;
  const right = rig.project(url, { kind: 'token', secret: TOKEN });
  const seen = await commandLinesDuring(() => rig.mirrors.fetch(right));
  expect(seen.some((line) => line.includes('git-remote-http'))).toBe(true);
  expect(seen.filter((line) => line.includes(TOKEN) || line.includes(BASIC))).toEqual([]);

  await using closed = await startGitServer(rig.dir.path, { ...FORGE, token: 'another' });
  const wrong = rig.project(`${closed.address}/upstream/.git`, { kind: 'token', secret: TOKEN });
  const fault = await rig.mirrors.fetch(wrong).catch((error) => error);
  expect(fault.sentence).toMatch(
    /^Git could not fetch http:.*: fatal: (Authentication failed|could not read Username)/,
  );
  rig.log.error({ err: fault }, 'as the server would log it');
  expect(filesWith(rig.dir.join('data'), [TOKEN, BASIC])).toEqual([]);
  expect(rig.logged()).not.toContain(TOKEN);
  expect(rig.logged()).not.toContain(BASIC);
});

test('a token is never sent on to where its forge redirects', async () => {
  await using rig = new MirrorRig();
  makeRepository(rig.dir.join('upstream')).commit('First', { a: 'a' });
  await using thief = await startGitServer(rig.dir.path, { user: '', token: null });
  await using forge = await startGitServer(rig.dir.path, FORGE);
  forge.redirectTo(thief.address);
  const project = rig.project(`${forge.address}/upstream/.git`, { kind: 'token', secret: TOKEN });
  await expect(rig.mirrors.fetch(project)).rejects.toThrow(/redirect|302/);
  expect(thief.seen).toEqual([]);
});

test('a private repository without a credential is a fault, not a prompt', async () => {
  await using rig = new MirrorRig();
  makeRepository(rig.dir.join('upstream')).commit('First', { a: 'a' });
  await using forge = await startGitServer(rig.dir.path, FORGE);
  const fault = await rig.mirrors
    .fetch(rig.project(`${forge.address}/upstream/.git`))
    .catch((error) => error);
  expect(fault.sentence).toMatch(/could not read Username/);
});

test('OpenSSH takes a generated deploy key for its own', async () => {
  await using rig = new MirrorRig();
  for (let round = 0; round < 5; round++) {
    const { privateKey, publicKey } = makeDeployKey(`reprise-${'x'.repeat(round)}`);
    const file = rig.dir.join(`key${round}`);
    writeFileSync(file, privateKey, { mode: 0o600 });
    expect(execFileSync('ssh-keygen', ['-y', '-P', '', '-f', file], { encoding: 'utf8' }).trim()).toBe(
      publicKey,
    );
    const listed = execFileSync('ssh-keygen', ['-l', '-f', file], { encoding: 'utf8' });
    expect(listed).toMatch(/^256 SHA256:\S+ reprise-x* \(ED25519\)/);
  }
});

async function overSsh(rig: MirrorRig) {
  const sha = makeRepository(rig.dir.join('upstream')).commit('First', { a: 'a' });
  const sshd = await startSshd(rig.dir.join('sshd'));
  const key = makeDeployKey('reprise-shop');
  sshd.authorize(key.publicKey);
  const url = `ssh://${sshd.user}@127.0.0.1:${sshd.port}${rig.dir.join('upstream')}`;
  const project = rig.project(url, { kind: 'deploy-key', secret: key.privateKey });
  const knownHosts = rig.dir.join('data/ssh/known_hosts');
  return { sha, sshd, key, project, knownHosts };
}

test('a repository behind a deploy key is fetched with it, once its host is known', async () => {
  await using rig = new MirrorRig();
  const { sha, sshd, project, knownHosts } = await overSsh(rig);
  await using _ = sshd;
  const fault = await rig.mirrors.fetch(project).catch((error) => error);
  expect(fault).toMatchObject({ name: 'MirrorFault', kind: 'unreachable' });
  expect(fault.sentence).toContain(
    `The host key of [127.0.0.1]:${sshd.port} is not known, so nothing was fetched.`,
  );
  expect(fault.sentence).toContain(
    `ssh-keyscan -p ${sshd.port} 127.0.0.1 >> "$REPRISE_DATA_DIR/ssh/known_hosts"`,
  );
  expect(existsSync(knownHosts)).toBe(false);

  const scanned = execFileSync('sh', ['-c', `ssh-keyscan -p ${sshd.port} 127.0.0.1 2>/dev/null`], {
    encoding: 'utf8',
  });
  expect(scanned).toContain(sshd.hostLine);
  writeFileSync(knownHosts, scanned);
  await rig.mirrors.fetch(project);
  expect(await rig.mirrors.has(project, sha)).toBe(true);
});

test('a host that shows another key than the known one is refused before anything is fetched', async () => {
  await using rig = new MirrorRig();
  const { sha, sshd, project, knownHosts } = await overSsh(rig);
  const { hostLine, port } = sshd;
  await sshd[Symbol.asyncDispose]();
  writeFileSync(knownHosts, `${hostLine}\n`);
  await using other = await startSshd(rig.dir.join('other'), { port });
  expect(other.hostLine).not.toBe(hostLine);
  const fault = await rig.mirrors.fetch(project).catch((error) => error);
  expect(fault.sentence).toContain(`The host [127.0.0.1]:${port} shows another key than the known one`);
  expect(await rig.mirrors.has(project, sha)).toBe(false);
});

test('a key that the host does not let in is a fault that says so', async () => {
  await using rig = new MirrorRig();
  const { sshd, project, knownHosts } = await overSsh(rig);
  await using _ = sshd;
  writeFileSync(knownHosts, `${sshd.hostLine}\n`);
  sshd.authorize(makeDeployKey('somebody else').publicKey);
  await expect(rig.mirrors.fetch(project)).rejects.toThrow(/Permission denied \(publickey\)/);
});

test('the private key is on disk only while it is used, for its owner only, and in no argument or log', async () => {
  await using rig = new MirrorRig();
  const { sshd, key, project, knownHosts } = await overSsh(rig);
  await using _ = sshd;
  writeFileSync(knownHosts, `${sshd.hostLine}\n`);
  const keyDir = rig.dir.join('data/mirrors/.keys');
  mkdirSync(keyDir, { mode: 0o700 });
  const modes = new Set<number>();
  const watcher = watch(keyDir, () => {
    for (const name of readdirSync(keyDir))
      modes.add(statSync(join(keyDir, name), { throwIfNoEntry: false })?.mode ?? 0);
  });
  const seen = await commandLinesDuring(() => rig.mirrors.fetch(project));
  watcher.close();
  expect(seen.some((line) => /^ssh .*IdentityFile=.*\.keys/.test(line))).toBe(true);
  expect([...modes].map((mode) => mode & 0o777).filter(Boolean)).toEqual([0o600]);
  const secret = key.privateKey.split('\n').slice(2, 4);
  expect(seen.filter((line) => secret.some((part) => line.includes(part)))).toEqual([]);
  expect(readdirSync(keyDir)).toEqual([]);
  expect(filesWith(rig.dir.join('data'), secret)).toEqual([]);
  expect(rig.logged()).not.toContain('PRIVATE KEY');
});

test('a key file that a killed server left is removed at the next start', async () => {
  await using rig = new MirrorRig();
  const left = rig.dir.join('data/mirrors/.keys/left');
  mkdirSync(rig.dir.join('data/mirrors/.keys'), { recursive: true });
  writeFileSync(left, makeDeployKey('x').privateKey);
  rig.open();
  expect(existsSync(left)).toBe(false);
});

test('a credential sealed with another key says what to put back', async () => {
  await using rig = new MirrorRig();
  const project = {
    ...rig.project('https://127.0.0.1:1/x', { kind: 'token', secret: TOKEN }),
    id: 'another',
  };
  await expect(rig.mirrors.fetch(project)).rejects.toThrow(/does not open: the secret key is not the one/);
  expect(readFileSync(rig.dir.join('data/secret.key'), 'utf8')).not.toBe('');
});
