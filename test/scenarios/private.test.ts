import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { filesWith } from '../rig/canary.ts';
import { startGitServer } from '../rig/git-server.ts';
import { makeRepository } from '../rig/repository.ts';
import { Rig } from '../rig/reprise.ts';
import { startSshd } from '../rig/sshd.ts';

/** Looks wherever a step can look for what must not be there. */
const LOOK =
  'env; git config --list --show-origin; cat .git/config; find / -xdev -name "*id_*" -o -xdev -name "*.key" 2>/dev/null || true';

/** The header of a key in OpenSSH's format, and how its body begins: `openssh-key-v1` in base64. */
const SIGNS_OF_A_KEY = ['BEGIN OPENSSH PRIVATE KEY', 'b3BlbnNzaC1rZXktdjE'];

const PIPELINE = JSON.stringify({
  version: 1,
  jobs: { look: { steps: [{ run: LOOK }], artifact: { name: 'code', paths: ['code'] } } },
});

test('a repository behind a token builds, and the token is readable nowhere', async () => {
  await using rig = await Rig.start();
  const token = 'ghp_a_token_that_only_the_forge_may_see_0123456789';
  const repositories = rig.path('forge');
  const repository = makeRepository(`${repositories}/shop`);
  const head = repository.commit('First', { '.reprise.yml': PIPELINE, code: 'secret sauce\n' });
  await using forge = await startGitServer(repositories, { user: 'x-access-token', token });
  const runner = await rig.startRunner('one');
  await rig.api('POST', '/api/projects', {
    name: 'shop',
    cloneUrl: `${forge.address}/shop`,
    credential: { kind: 'token', token },
  });

  const { number } = await rig.api<{ number: number }>('POST', '/api/projects/shop/builds', { ref: 'main' });
  const build = await rig.ended('shop', number);
  expect(build).toMatchObject({ status: 'passed', commit: head, artifacts: [{ name: 'code' }] });

  const encoded = [token, Buffer.from(`x-access-token:${token}`).toString('base64')];
  const log = await rig.log('shop', number, 'look');
  for (const text of encoded) {
    expect(log).not.toContain(text);
    expect(rig.server.output()).not.toContain(text);
  }
  await runner.stop();
  expect(filesWith(rig.path('data'), encoded)).toEqual([]);
  expect(filesWith(rig.path('runner-one'), encoded)).toEqual([]);
});

test('a repository behind a deploy key builds, and the key is readable nowhere', async () => {
  await using rig = await Rig.start();
  await using sshd = await startSshd(rig.path('sshd'));
  const repository = makeRepository(rig.path('forge', 'shop'));
  const head = repository.commit('First', { '.reprise.yml': PIPELINE, code: 'secret sauce\n' });
  mkdirSync(rig.path('data', 'ssh'), { recursive: true });
  writeFileSync(rig.path('data', 'ssh', 'known_hosts'), `${sshd.hostLine}\n`);
  const runner = await rig.startRunner('one');
  const { deployKey } = await rig.api<{ deployKey: { publicKey: string } }>('POST', '/api/projects', {
    name: 'shop',
    cloneUrl: `ssh://${sshd.user}@127.0.0.1:${sshd.port}${repository.path}`,
    credential: { kind: 'deploy-key' },
  });
  expect(deployKey.publicKey).toMatch(/^ssh-ed25519 /);
  sshd.authorize(deployKey.publicKey);

  const { number } = await rig.api<{ number: number }>('POST', '/api/projects/shop/builds', { ref: 'main' });
  const build = await rig.ended('shop', number);
  expect(build).toMatchObject({ status: 'passed', commit: head });

  const log = await rig.log('shop', number, 'look');
  expect(log).not.toMatch(/PRIVATE KEY|\.key\n/);
  for (const sign of SIGNS_OF_A_KEY) {
    expect(log).not.toContain(sign);
    expect(rig.server.output()).not.toContain(sign);
  }
  await runner.stop();
  expect(filesWith(rig.path('data'), SIGNS_OF_A_KEY)).toEqual([]);
  expect(filesWith(rig.path('runner-one'), SIGNS_OF_A_KEY)).toEqual([]);
});
