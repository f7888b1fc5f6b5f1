import type { AuditEntry } from '@reprise/server/audit/audit.api.ts';
import type { AuditAction } from '@reprise/server/audit/record.ts';
import { ACTION_KINDS, detailLines, sentenceOf } from '@reprise/ui/operations/audit-sentences.ts';
import { describe, expect, test } from 'vitest';

type Entry = Pick<AuditEntry, 'actor' | 'action' | 'project' | 'subject' | 'detail'>;
type Example = [entry: Partial<Entry>, sentence: string, href: string | null];

const shop = { project: 'shop', subject: 'shop' };
const build = { project: 'shop', subject: 'shop #12' };
const BUILD = '/projects/shop/builds/12';

/** Every action that the server records, as it records it. */
const EXAMPLES = {
  'project.create': [shop, 'alice added the project shop', '/projects/shop'],
  'project.change': [shop, 'alice changed the settings of shop', '/projects/shop'],
  'project.remove': [shop, 'alice removed the project shop', null],
  'project.rotate-secret': [shop, 'alice gave a new webhook secret to shop', '/projects/shop'],
  'build.create': [{ ...build, detail: { ref: 'v1.2' } }, 'alice built shop #12 from v1.2', BUILD],
  'build.rebuild': [{ ...build, detail: { rebuildOf: 11 } }, 'alice rebuilt #11 as shop #12', BUILD],
  'build.cancel': [build, 'alice cancelled shop #12', BUILD],
  'build.approve': [build, 'alice let run shop #12', BUILD],
  'build.prioritize': [build, 'alice put shop #12 first', BUILD],
  'build.pin': [build, 'alice pinned shop #12', BUILD],
  'build.unpin': [build, 'alice unpinned shop #12', BUILD],
  'retention.remove': [
    { project: 'shop', subject: 'shop #1 to #9', detail: { builds: [1, 9] } },
    'alice removed by rule what was held by shop #1 to #9 (2)',
    '/projects/shop/settings#retention',
  ],
  'job.retry': [{ ...shop, subject: 'shop #12, job test' }, 'alice retried shop #12, job test', BUILD],
  'delivery.redeliver': [
    { project: 'shop', subject: 'delivery 72d3162e', detail: { build: 12 } },
    'alice delivered again what became shop #12',
    BUILD,
  ],
  'runner.add': [{ subject: 'runner box-1' }, 'alice added runner box-1', '/runners'],
  'runner.change': [
    { subject: 'runner box-1', detail: { draining: { from: false, to: true } } },
    'alice drained runner box-1',
    '/runners',
  ],
  'runner.register': [
    { actor: 'runner registration', subject: 'runner box-1' },
    'runner box-1 registered itself',
    null,
  ],
  'runner.refused': [
    { actor: 'anonymous', subject: 'runner box-1' },
    'Somebody could not register runner box-1',
    null,
  ],
  'runner.remove': [{ subject: 'runner box-1' }, 'alice removed runner box-1', null],
  'user.create': [
    { subject: 'bob', detail: { role: 'developer' } },
    'alice added the user bob as developer',
    null,
  ],
  'user.change': [{ subject: 'bob', detail: { disabled: true } }, 'alice disabled the user bob', null],
  'user.remove': [{ subject: 'bob' }, 'alice removed the user bob', null],
  'user.link': [{ subject: 'bob' }, 'alice made a link to choose a password for bob', null],
  'member.set': [
    { project: 'shop', subject: 'bob', detail: { role: 'deployer' } },
    'alice made bob deployer of shop',
    '/projects/shop',
  ],
  'member.remove': [
    { project: 'shop', subject: 'bob' },
    'alice took the role of bob in shop',
    '/projects/shop',
  ],
  'token.create': [
    { project: 'shop', subject: 'alice: release: night' },
    'alice made the token release: night for shop',
    null,
  ],
  'token.revoke': [{ subject: 'bob: dashboard' }, 'alice revoked the token dashboard of bob', null],
  'session.create': [{ subject: 'alice', detail: { how: 'github' } }, 'alice signed in with GitHub', null],
  'session.end': [{ subject: 'alice' }, 'alice signed out', null],
  'session.refused': [{ actor: 'anonymous', subject: 'alice' }, 'Somebody could not sign in as alice', null],
  'password.change': [{ subject: 'alice', detail: { how: 'page' } }, 'alice changed their password', null],
  'secret.set': [
    { project: 'shop', subject: 'shop NPM_TOKEN' },
    'alice set the secret shop NPM_TOKEN',
    '/projects/shop',
  ],
  'secret.remove': [
    { project: 'shop', subject: 'shop NPM_TOKEN' },
    'alice removed the secret shop NPM_TOKEN',
    '/projects/shop',
  ],
  'promotion.ask': [
    { project: 'shop', subject: 'shop #12 to production' },
    'alice asked to promote shop #12 to production',
    BUILD,
  ],
  'promotion.approve': [build, 'alice approved shop #12', BUILD],
  'promotion.reject': [build, 'alice rejected shop #12', BUILD],
  'promotion.cancel': [build, 'alice cancelled shop #12', BUILD],
  'promotion.void': [build, 'alice made void shop #12', BUILD],
  'deployment.start': [
    { project: 'shop', subject: 'shop to staging' },
    'alice began to deploy shop to staging',
    '/projects/shop',
  ],
  'deployment.end': [
    { project: 'shop', subject: 'shop to staging' },
    'alice ended the deployment of shop to staging',
    '/projects/shop',
  ],
  'policy.set': [
    { project: 'shop', subject: 'shop staging' },
    'alice set the policy of shop staging',
    '/projects/shop',
  ],
  'host.pin': [
    { project: 'shop', subject: 'web1.example:22' },
    'alice confirmed the keys of web1.example:22',
    '/projects/shop',
  ],
  'host.forget': [
    { project: 'shop', subject: 'web1.example:22' },
    'alice forgot the keys of web1.example:22',
    '/projects/shop',
  ],
} satisfies Record<AuditAction, Example>;

const inWords = (given: Partial<Entry>) => {
  const entry = { actor: 'alice', action: 'x', project: null, subject: '', detail: {}, ...given };
  const { who, verb, what, href, more } = sentenceOf(entry);
  return { said: [who, verb, what, more].filter(Boolean).join(' '), href };
};

describe('an entry reads as a sentence', () => {
  test.each(Object.entries(EXAMPLES))('%s', (action, [entry, said, href]) => {
    expect(inWords({ ...entry, action })).toEqual({ said, href });
  });

  test.each<[string, Partial<Entry>, string]>([
    [
      'runner.change',
      { subject: 'runner a', detail: { draining: { from: true, to: false } } },
      'alice let runner a take jobs again',
    ],
    [
      'runner.change',
      { subject: 'runner a', detail: { quarantined: { from: true, to: false } } },
      'alice took back runner a',
    ],
    [
      'runner.change',
      { subject: 'runner a', detail: { deploy: { from: false, to: true } } },
      'alice let runner a deploy',
    ],
    [
      'runner.change',
      { subject: 'runner a', detail: { deploy: { from: true, to: false } } },
      'alice took from runner a the right to deploy',
    ],
    ['runner.change', { subject: 'runner a' }, 'alice changed runner a'],
    ['user.change', { subject: 'alice', detail: { name: 'Alice' } }, 'alice changed the user alice'],
    ['user.change', { subject: 'bob', detail: { disabled: false } }, 'alice enabled the user bob'],
    ['user.create', { subject: 'bob', detail: { role: null } }, 'alice added the user bob'],
    ['token.create', { subject: 'alice: dashboard' }, 'alice made the token dashboard'],
    ['password.change', { subject: 'alice', detail: { how: 'link' } }, 'alice chose a password'],
    ['session.create', { subject: 'alice', detail: { how: 'password' } }, 'alice signed in'],
    ['build.rebuild', build, 'alice rebuilt shop #12'],
    ['delivery.redeliver', { subject: 'delivery 7', detail: {} }, 'alice delivered again delivery 7'],
  ])('%s, otherwise', (action, entry, said) => {
    expect(inWords({ ...entry, action }).said).toBe(said);
  });

  test('also where this page does not know the action', () => {
    expect(inWords({ action: 'moon.land', subject: 'Eagle' }).said).toBe('alice moon.land Eagle');
  });
});

test('every action can be filtered by, under what it is done to', () => {
  const offered = ACTION_KINDS.flatMap(({ actions }) => actions);
  expect(offered.toSorted()).toEqual(Object.keys(EXAMPLES).toSorted());
});

test('a number in a subject leads to a build only where it is one', () => {
  expect(inWords({ action: 'job.retry', project: 'shop', subject: 'shop #12x' }).href).toBe('/projects/shop');
  expect(inWords({ action: 'job.retry', project: 'shop', subject: 'shop #99999999999' }).href).toBe(
    '/projects/shop',
  );
});

test('details are told line by line, text as it is', () => {
  expect(detailLines({ role: 'viewer', labels: ['a'], expiresAt: null })).toEqual([
    { name: 'role', value: 'viewer' },
    { name: 'labels', value: '["a"]' },
    { name: 'expiresAt', value: 'null' },
  ]);
});
