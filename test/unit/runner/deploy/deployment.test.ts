import { deployment } from '@reprise/runner/deploy/deployment.ts';
import { expect, test } from 'vitest';

const sha256 = 'a'.repeat(64);
const valid = {
  id: 'shop/7',
  kind: 'deploy',
  project: 'shop',
  environment: {
    name: 'production',
    url: null,
    path: '/srv/shop',
    hosts: ['deploy@web1'],
    keep: 5,
    shared: ['log/'],
    prepare: [],
    restart: null,
    health: null,
    batch: null,
    jump: null,
    haproxy: null,
  },
  only: null,
  artifact: {
    name: 'shop',
    fileName: 'shop-1.tar.gz',
    sha256,
    treeSha256: sha256,
    size: 1,
    version: '1',
    build: 1,
    commit: 'a'.repeat(40),
    commitTime: 1,
    branch: 'main',
    tag: '',
    file: '/x',
  },
  release: '20261122190612',
  by: 'alice',
  reason: 'x',
  owner: '',
  env: {},
  secrets: {},
  sshKey: null,
  knownHosts: { 'deploy@web1': ['web1 ssh-ed25519 AAAA'] },
  localRoot: null,
  expected: {},
  rollbackTo: null,
  protect: [],
  ended: [],
  limits: {},
};

test('bounds have defaults', () => {
  expect(deployment.parse(valid).limits).toMatchObject({ prepareMs: 1_800_000, drainMs: 30_000 });
});

test.each([
  ['a NUL in a reason', { reason: 'a\0b' }],
  ['a NUL in a version', { artifact: { ...valid.artifact, version: '1\0' } }],
  ['a NUL in a branch', { artifact: { ...valid.artifact, branch: 'a\0' } }],
  ['a NUL in a secret', { secrets: { A: '\0' } }],
  ['a variable that is none', { env: { 'A;id': '' } }],
  ['a file name with a folder', { artifact: { ...valid.artifact, fileName: '../x.tar.gz' } }],
  ['a host that is an option', { environment: { ...valid.environment, hosts: ['-oProxyCommand=id@x'] } }],
  ['a host with a space', { environment: { ...valid.environment, hosts: ['a@b c'] } }],
  ['a host named twice', { environment: { ...valid.environment, hosts: ['a@b', 'a@b'] } }],
  ['a jump host that is an option', { environment: { ...valid.environment, jump: '-J x@y' } }],
  ['a path that leaves', { environment: { ...valid.environment, path: '/srv/../etc' } }],
  ['a path with a quote', { environment: { ...valid.environment, path: "/srv/a'b" } }],
  ['shared that leaves', { environment: { ...valid.environment, shared: ['a/../../b'] } }],
  ['shared that is absolute', { environment: { ...valid.environment, shared: ['/etc'] } }],
  ['a release that is no time', { release: '../../../../x' }],
  ['a key for all hosts', { knownHosts: { 'deploy@web1': ['* ssh-ed25519 AAAA'] } }],
  ['an authority', { knownHosts: { 'deploy@web1': ['@cert-authority web1 ssh-ed25519 AAAA'] } }],
  ['two lines in one', { knownHosts: { 'deploy@web1': ['web1 ssh-ed25519 AAAA\n* ssh-rsa AAAA'] } }],
  ['an id with a line break', { id: 'a\nb' }],
])('%s is refused', (_, change) => {
  expect(deployment.safeParse({ ...valid, ...change }).success).toBe(false);
});
