import { advice, type Machine } from '@reprise/runner/sandbox/advice.ts';
import { expect, test } from 'vitest';

const MACHINE: Machine = {
  isRoot: false,
  isContainer: false,
  unprivilegedUserNamespaces: null,
  apparmorRestrictsUserNamespaces: null,
  maxUserNamespaces: 96365,
  hasTun: true,
};

test.for<[string, Partial<Machine>, string]>([
  ['open("/dev/net/tun"): Permission denied', {}, 'chmod 0666 /dev/net/tun'],
  ['slirp4netns could not start: it exited with 1', { hasTun: false }, 'modprobe tun'],
  [
    'unshare: Operation not permitted',
    { unprivilegedUserNamespaces: 0 },
    'kernel.unprivileged_userns_clone=1',
  ],
  ['unshare: No space left on device', { maxUserNamespaces: 0 }, 'user.max_user_namespaces=10000'],
  [
    'bwrap: setting up uid map: Permission denied',
    { apparmorRestrictsUserNamespaces: 1 },
    'bwrap-userns-restrict',
  ],
  [
    "bwrap: Can't mount proc on /newroot/proc: Operation not permitted",
    { isContainer: true },
    'systempaths=unconfined',
  ],
  ['unshare: Operation not permitted', { isContainer: true }, '--device /dev/net/tun'],
  ['unshare: Operation not permitted', { isRoot: true }, 'SYS_ADMIN and NET_ADMIN'],
])('%s %o', ([complaint, machine, remedy]) => {
  const sentence = advice(complaint, { ...MACHINE, ...machine });
  expect(sentence).toContain(complaint);
  expect(sentence).toContain(remedy);
});

test('what is not known is passed on as it was said, in one line', () => {
  expect(advice('bwrap: something new\n  and more\n', MACHINE)).toBe('bwrap: something new; and more');
});
