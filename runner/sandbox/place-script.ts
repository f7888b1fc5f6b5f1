/**
 * What a place's holder does before it waits: shell text. `files` is given when it has a mount namespace of its own, in
 * which it shows the runner's directories below `base` (see `PlaceOptions`).
 *
 * Link-local addresses are made unreachable by a route, which a step has no right to change: there, clouds answer with
 * the credentials of their machines. The same goes for IPv6, of which slirp4netns carries nothing: without an address
 * programs do not try it.
 */
export function enterPlaceScript(files: { roots: string[]; base: string } | null): string {
  return [
    'set -e',
    'ip link set lo up',
    'ip route add unreachable 169.254.0.0/16',
    'echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/default/disable_ipv6 || true',
    ...(files ? mountLines(files) : []),
    'echo ready',
    'exec cat >/dev/null',
  ].join('\n');
}

function mountLines({ roots, base }: { roots: string[]; base: string }): string[] {
  return [
    `mount -t tmpfs -o mode=0755,size=64k,nosuid,nodev none ${quoted(base)}`,
    ...roots.flatMap((root, index) => {
      const place = quoted(`${base}/${index}`);
      // A file as a root needs a file to be mounted on.
      return [
        `if [ -d ${quoted(root)} ]; then mkdir ${place}; else : >${place}; fi`,
        `mount --rbind ${quoted(root)} ${place}`,
      ];
    }),
  ];
}

/** Covered by the place's own mounts, so no root may be there. The first that exists and is not in use is taken. */
const BASES = ['/mnt', '/media', '/srv', '/opt', '/home'];

/** A directory of the host for `PlaceOptions.base`, or `null` when each holds one of the roots or does not exist. */
export function chooseBase(roots: string[], exists: (path: string) => boolean): string | null {
  return (
    BASES.find(
      (base) => exists(base) && !roots.some((root) => root === base || root.startsWith(`${base}/`)),
    ) ?? null
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
