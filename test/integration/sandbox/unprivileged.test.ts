import { chmodSync, mkdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';
import { outputOf, startSmallRunner } from './outside.ts';
import { isRoot } from './rig.ts';

/** Some user of no importance: not root, in no group. */
const AS_A_USER = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

/** Machines differ in who may open /dev/net/tun; here everybody may, and nobody else notices. */
const WITH_TUN = [
  ...['unshare', '--mount', 'sh', '-ec'],
  'mknod -m 666 "$0" c 10 200; mount --bind "$0" /dev/net/tun; exec "$@"',
];
const WITHOUT_TUN = [
  ...['unshare', '--mount', 'sh', '-ec'],
  'mknod -m 600 "$0" c 10 200; mount --bind "$0" /dev/net/tun; exec "$@"',
];

/** Root there, but of 65,536 users only; the users are mapped from here, as a container's starter does it. */
const IN_A_CONTAINER = [
  ...['bash', '-ec'],
  [
    `unshare --user --mount bash -c 'until [ "$(id -u)" = 0 ]; do sleep 0.01; done; exec "$@"' "$0" "$@" & inside=$!`,
    'until [ "$(readlink /proc/$inside/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done',
    'echo 0 0 65536 >/proc/$inside/gid_map',
    'echo 0 0 65536 >/proc/$inside/uid_map',
    'wait $inside',
  ].join('\n'),
  'container',
];

const NOT_ROOT = 'only root can become somebody else; the other tests here already run as an ordinary user';

test('an ordinary user needs no right to confine steps, which run as that user on the host', async ({
  skip,
}) => {
  skip(!isRoot, NOT_ROOT);
  using dir = tempDir();
  chmodSync(dir.path, 0o777);
  const script = 'id -u; touch made; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " "';
  const through = [...WITH_TUN, dir.join('tun'), ...AS_A_USER];
  const lines = (await outputOf(startSmallRunner([dir.join('data'), script], through))).trim().split('\n');
  expect(lines.slice(0, -1)).toEqual(['1000', 'lo', 'tap0']);
  expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
    kind: 'exited',
    code: 0,
    owner: null,
  });
});

test('a user who may not make a network is told which device that needs', async ({ skip }) => {
  skip(!isRoot, NOT_ROOT);
  using dir = tempDir();
  chmodSync(dir.path, 0o777);
  const through = [...WITHOUT_TUN, dir.join('tun'), ...AS_A_USER];
  const runner = startSmallRunner([dir.join('data'), 'true'], through);
  expect(await outputOf(runner)).toContain('chmod 0666 /dev/net/tun');
});

test('a data directory that is closed to others is no hindrance', async ({ skip }) => {
  skip(!isRoot, NOT_ROOT);
  using dir = tempDir();
  mkdirSync(dir.join('closed'), { mode: 0o700 });
  mkdirSync(dir.join('closed', 'attempt'), { mode: 0o711 });
  mkdirSync(dir.join('closed', 'sandbox'), { mode: 0o711 });
  expect(await outputOf(startSmallRunner([dir.join('closed'), 'echo inside']))).toMatch(/^inside\n/);
});

test('root of a container that knows only its own users still gives steps another user', async ({ skip }) => {
  skip(!isRoot, NOT_ROOT);
  using dir = tempDir();
  chmodSync(dir.path, 0o777);
  const output = await outputOf(startSmallRunner([dir.join('data'), 'id -u'], IN_A_CONTAINER));
  const [uid, result] = output.trim().split('\n');
  expect(uid).toBe('1000');
  expect(JSON.parse(result ?? '')).toMatchObject({
    owner: { uid: 60_000, gid: 60_000 },
  });
});
