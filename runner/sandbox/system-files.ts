import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { SystemFiles } from './bubblewrap-arguments.ts';

/**
 * Looks once at this machine and composes the sandboxes' `/etc` in `directory`: made-up accounts and names, and of the
 * host's only what `COPIED` and `LIVE` name, as far as it is there. It is one directory, because every single mount costs each
 * sandbox a quarter of a millisecond. Of the rest of the host only `/usr` is seen. `mountPoints` below `/etc` get a place there.
 */
export function systemFiles(directory: string, mountPoints: string[]): SystemFiles {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const inside = (path: string) => join(directory, path.slice('/etc/'.length));
  for (const [name, content] of Object.entries(SYNTHETIC)) {
    writeFileSync(join(directory, name), content, { mode: 0o644 });
  }
  for (const [name, target] of Object.entries(LINKS)) symlinkSync(target, join(directory, name));
  for (const path of present(COPIED)) {
    // Modes are kept, so what only root may read stays unreadable. Links keep pointing to where they point.
    cpSync(path, inside(path), { recursive: true, verbatimSymlinks: true });
  }
  const live = present(LIVE);
  for (const path of [...live, ...mountPoints.filter((point) => point.startsWith('/etc/'))]) {
    makeMountPoint(inside(path), statSync(path).isDirectory());
  }
  const top = TOP_LEVEL.filter((path) => existsSync(path));
  const isLink = (path: string) => lstatSync(path).isSymbolicLink();
  return {
    same: ['/usr', ...top.filter((path) => !isLink(path))],
    etc: directory,
    live,
    links: top.filter(isLink).map((path) => ({ path, target: readlinkSync(path) })),
  };
}

/** Links into `/usr` where it is merged, directories elsewhere. */
const TOP_LEVEL = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** The address of slirp4netns' resolver; asked in vain where a step has no network. */
const RESOLVER = '10.0.2.3';

const SYNTHETIC = {
  passwd: [
    'root:x:0:0:root:/nonexistent:/usr/sbin/nologin',
    'build:x:1000:1000:build:/home/build:/bin/sh',
    'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    '',
  ].join('\n'),
  group: 'root:x:0:\nbuild:x:1000:\nnogroup:x:65534:\n',
  hosts: '127.0.0.1 localhost build\n::1 localhost ip6-localhost ip6-loopback\n',
  hostname: 'build\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
  'resolv.conf': `nameserver ${RESOLVER}\n`,
};

const LINKS = {
  localtime: '/usr/share/zoneinfo/Etc/UTC',
  'os-release': '../usr/lib/os-release',
  mtab: '/proc/mounts',
};

/**
 * What compilers, interpreters and package managers need of the host's `/etc`. Nothing that may hold a password: no
 * `ssl/private`, `npmrc`, `pip.conf`, `gitconfig`, `maven/settings.xml`. A `*` stands for the end of a name.
 */
const COPIED = [
  'ld.so.conf',
  'ld.so.conf.d',
  'ssl/cert.pem',
  'ssl/openssl.cnf',
  'ca-certificates.conf',
  'pki/tls/openssl.cnf',
  'crypto-policies',
  'gai.conf',
  'services',
  'protocols',
  'mime.types',
  'magic',
  'fonts',
  'debian_version',
  'lsb-release',
  'java*',
  'python*',
  'perl',
  'maven/m2.conf',
  'maven/logging',
  'ImageMagick*',
];

/** What changes while a runner runs, as when somebody installs a compiler: a mount each, so steps see today's. */
const LIVE = ['alternatives', 'ld.so.cache', 'ssl/certs', 'pki/ca-trust/extracted', 'pki/tls/certs'];

function present(patterns: string[]): string[] {
  const names = readdirSync('/etc');
  return patterns
    .flatMap((pattern) =>
      pattern.endsWith('*') ? names.filter((name) => name.startsWith(pattern.slice(0, -1))) : [pattern],
    )
    .map((name) => `/etc/${name}`)
    .filter((path) => existsSync(path));
}

function makeMountPoint(path: string, isDirectory: boolean): void {
  mkdirSync(isDirectory ? path : dirname(path), { recursive: true, mode: 0o755 });
  if (!isDirectory) writeFileSync(path, '', { mode: 0o644 });
}
