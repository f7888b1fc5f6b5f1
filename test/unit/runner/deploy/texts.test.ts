import type { DeployArtifact, Deployment } from '@reprise/runner/deploy/deployment.ts';
import { laterThan, releaseName } from '@reprise/runner/deploy/release-name.ts';
import { lockHolder, lockText, oneLine, releaseJson, revisionLine } from '@reprise/runner/deploy/texts.ts';
import { expect, test } from 'vitest';

const artifact = {
  build: 12,
  version: '1.4.2',
  commit: '1a2b3c4d5e',
  branch: 'main',
  tag: '',
} as DeployArtifact;
const deployment = {
  id: 'shop/7',
  project: 'shop',
  environment: { name: 'production' },
  by: 'alice',
  reason: 'a new price list',
  owner: 'http://ci/',
} as Deployment;

test('the log of revisions has the sentences of Capistrano, and then ours', () => {
  const o = { release: '20261122190612', artifact, isFlip: false };
  expect(revisionLine(deployment, o)).toBe(
    'Branch main (at 1a2b3c4) deployed as release 20261122190612 by alice: a new price list (Reprise shop#12 1.4.2)',
  );
  expect(revisionLine(deployment, { ...o, isFlip: true })).toBe(
    'alice rolled back to release 20261122190612: a new price list (Reprise shop#12 1.4.2)',
  );
  expect(revisionLine(deployment, { ...o, artifact: { ...artifact, branch: '', tag: 'v1.4.2' } })).toContain(
    'Branch v1.4.2 (at',
  );
});

test('nobody writes a second line, whatever he is called and for whatever reason', () => {
  const hostile = { ...deployment, by: 'a\nb', reason: 'x\r\n20261122190613\u2028y\u001b[2J' };
  const line = revisionLine(hostile, {
    release: '20261122190612',
    artifact: { ...artifact, branch: 'm\nn', version: '1\n2' },
    isFlip: false,
  });
  expect(line).toBe(
    'Branch m n (at 1a2b3c4) deployed as release 20261122190612 by a b: x 20261122190613 y [2J (Reprise shop#12 1 2)',
  );
  const lock = lockText({ ...hostile, reason: 'x\ndeployment other' }, new Date(0)).split('\n');
  expect(lock).toEqual([
    'deployment shop/7',
    'project shop, environment production',
    'by a b',
    'since 1970-01-01T00:00:00.000Z',
    'reason x deployment other',
    'http://ci/',
  ]);
  expect(JSON.parse(releaseJson(hostile, artifact, '20261122190612'))).toMatchObject({ by: 'a\nb' });
  expect(oneLine('x'.repeat(1000))).toHaveLength(500);
});

test('a lock says whose it is', () => {
  expect(lockHolder(lockText(deployment, new Date(0)))).toBe(
    'deployment shop/7 (by alice, since 1970-01-01T00:00:00.000Z, reason a new price list)',
  );
  expect(lockHolder('hello')).toBe('somebody else');
});

test.each([
  ['20261122190612', [], '20261122190612'],
  ['20261122190612', ['20261122190611'], '20261122190612'],
  ['20261122190612', ['20261122190612'], '20261122190613'],
  ['20261122190612', ['20251122190612', '20261231235959'], '20270101000000'],
  ['20261122190612', ['99999999999999'], null],
])('proposed %s, there %j: %s', (proposed, present, name) => expect(laterThan(proposed, present)).toBe(name));

test('a release is called after its moment in UTC', () => {
  expect(releaseName(Date.parse('2026-11-22T20:06:12.9+01:00'))).toBe('20261122190612');
});
