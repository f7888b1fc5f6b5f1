import { isAbsolute, normalize } from 'node:path';
import type { Network } from '@reprise/pipelines/model.ts';
import type { Mount } from './sandbox.ts';

/** Everything that decides what a sandbox is: host paths as the spawning process sees them, facts of this machine, the step. */
export interface Enclosure {
  workspace: string;
  home: string;
  tmp: string;
  readOnly: Mount[];
  writable: Mount[];
  env: Record<string, string>;
  network: Network;
  system: SystemFiles;
  /** Where bubblewrap says which process is the sandbox's first. */
  jsonStatusFd: number;
  /** A seccomp program, see system-calls.ts. */
  seccompFd: number | null;
  /** Where a host path is found in the namespace in which bubblewrap starts. */
  locate(path: string): string;
}

/** What of the machine every step sees, read-only. */
export interface SystemFiles {
  /** Directories at their own place. */
  same: string[];
  /** The directory of ours that is mounted at `/etc`. */
  etc: string;
  /** Paths below `/etc` that are the host's own, mounted over ours. */
  live: string[];
  links: { path: string; target: string }[];
}

/** As much shared memory as a browser's or a database's tests want; what a step leaves here is gone with it. */
const SHARED_MEMORY_BYTES = 512 * 1024 * 1024;

/**
 * The options of one bubblewrap call, without the program: they go NUL-separated through `--args`, because a command line
 * can be read in `/proc/1/cmdline` inside. Throws a sentence for a mount or variable that must not be.
 */
export function bubblewrapArguments(enclosure: Enclosure): string[] {
  const { system } = enclosure;
  const mounts = [...enclosure.readOnly, ...enclosure.writable];
  mounts.forEach(refuseDangerous);
  const at = (path: string) => enclosure.locate(path);
  const args = [
    ...namespaces(enclosure.network),
    ...['--json-status-fd', String(enclosure.jsonStatusFd)],
    ...(enclosure.seccompFd === null ? [] : ['--seccomp', String(enclosure.seccompFd)]),
    ...system.same.flatMap((path) => ['--ro-bind', path, path]),
    ...['--ro-bind', at(system.etc), '/etc'],
    ...system.live.flatMap((path) => ['--ro-bind', path, path]),
    ...system.links.flatMap(({ path, target }) => ['--symlink', target, path]),
    ...['--proc', '/proc'],
    ...['--dev', '/dev', '--size', String(SHARED_MEMORY_BYTES), '--tmpfs', '/dev/shm'],
    ...['--bind', at(enclosure.workspace), '/workspace'],
    ...['--bind', at(enclosure.home), '/home/build'],
    ...['--bind', at(enclosure.tmp), '/tmp'],
    ...enclosure.readOnly.flatMap(({ source, target }) => ['--ro-bind', at(source), target]),
    ...enclosure.writable.flatMap(({ source, target }) => ['--bind', at(source), target]),
    // Else a step could fill the machine's memory through the tmpfs that carries the mount points.
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
    ...['--chdir', '/workspace'],
    ...Object.entries(enclosure.env).flatMap(([name, value]) => ['--setenv', variableName(name), value]),
  ];
  const smuggled = args.find((arg) => arg.includes('\0'));
  if (smuggled !== undefined) throw new Error(`a NUL byte in ${JSON.stringify(smuggled.slice(0, 80))}`);
  return args;
}

function namespaces(network: Network): string[] {
  return [
    ...['--unshare-user', '--uid', '1000', '--gid', '1000', '--disable-userns'],
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    // With `egress` the caller has already entered the slot's own network, over which a step has no power.
    ...(network === 'none' ? ['--unshare-net'] : []),
    ...['--hostname', 'build', '--die-with-parent', '--new-session', '--as-pid-1'],
    ...['--cap-drop', 'ALL', '--clearenv'],
  ];
}

/** Never mounted, whatever the operator or a fault of ours asks for: the host itself, its devices, sockets and secrets. */
const FORBIDDEN_SOURCES = [
  '/proc',
  '/sys',
  '/dev',
  '/run',
  '/var/run',
  '/boot',
  '/etc/ssl/private',
  '/etc/ssh',
];
const FORBIDDEN_FILES = [
  '/',
  '/etc',
  '/root',
  '/var',
  '/home',
  '/etc/shadow',
  '/etc/gshadow',
  '/etc/sudoers',
];
/** What a mount must not cover. */
const FIXED_TARGETS = ['/', '/usr', '/etc', '/workspace', '/home', '/home/build', '/tmp'];
const OWN_TARGETS = ['/proc', '/dev', '/sys', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

function refuseDangerous({ source, target }: Mount): void {
  for (const path of [source, target]) {
    if (!isAbsolute(path) || normalize(path) !== path || (path !== '/' && path.endsWith('/')))
      throw new Error(`a mount's path must be absolute and plain: ${JSON.stringify(path)}`);
  }
  if (FORBIDDEN_FILES.includes(source) || isBelow(source, FORBIDDEN_SOURCES) || source.endsWith('.sock'))
    throw new Error(`${source} is never shown to steps`);
  if (FIXED_TARGETS.includes(target) || isBelow(target, OWN_TARGETS))
    throw new Error(`nothing can be mounted over ${target}`);
}

function isBelow(path: string, directories: string[]): boolean {
  return directories.some((directory) => path === directory || path.startsWith(`${directory}/`));
}

function variableName(name: string): string {
  if (name === '' || name.includes('=')) throw new Error(`not a variable's name: ${JSON.stringify(name)}`);
  return name;
}
