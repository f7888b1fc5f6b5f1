import { chooseBase, enterPlaceScript } from '@reprise/runner/sandbox/place-script.ts';
import { expect, test } from 'vitest';

test('as an ordinary user a place is a network only', () => {
  expect(enterPlaceScript(null).split('\n')).toEqual([
    'set -e',
    'ip link set lo up',
    'ip route add unreachable 169.254.0.0/16',
    'echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/default/disable_ipv6 || true',
    'echo ready',
    'exec cat >/dev/null',
  ]);
});

test('as root it shows the roots under a short path, whatever is in their names', () => {
  const script = enterPlaceScript({ roots: ["/root/it's mine"], base: '/mnt' });
  expect(script).toContain(
    [
      "mount -t tmpfs -o mode=0755,size=64k,nosuid,nodev none '/mnt'",
      `if [ -d '/root/it'\\''s mine' ]; then mkdir '/mnt/0'; else : >'/mnt/0'; fi`,
      `mount --rbind '/root/it'\\''s mine' '/mnt/0'`,
    ].join('\n'),
  );
});

test.for([
  [['/var/lib/reprise'], ['/mnt', '/srv'], '/mnt'],
  [['/mnt/disk/reprise'], ['/mnt', '/srv'], '/srv'],
  [['/mnt', '/srv/tools'], ['/mnt', '/srv', '/home'], '/home'],
  [['/mntx'], ['/mnt'], '/mnt'],
  [['/data'], [], null],
] as const)('of roots %o and directories %o the base is %s', ([roots, existing, base]) => {
  expect(chooseBase([...roots], (path) => existing.some((one) => one === path))).toBe(base);
});
