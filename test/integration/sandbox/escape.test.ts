import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ListenOptions } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { isRoot, type Options, sandboxRig, type Weakness } from './rig.ts';

/**
 * A probe tries to get at something of the host. In a sandbox it must not print what it prints when it succeeds; and, to
 * show that the probe is any good, it must print it as soon as the guard that stops it is taken away.
 */
interface Probe {
  name: string;
  /** For /bin/sh, in /workspace. */
  script: string;
  /** What it prints when it succeeds. */
  success: string;
  withoutGuard: Weakness;
  /** Where the guard cannot be taken away, so that nothing can be shown. */
  unshown?: boolean;
}

const CANARY = `canary-${process.pid}`;
const rig = await sandboxRig();
const ending: (() => unknown)[] = [];

const port = await listen({ host: '127.0.0.1', port: 0 });
await listen({ path: `\0${CANARY}` });
const secretFile = write('secret', CANARY);
const canaryProcess = startProcess('sleep', '61337');
const sharedMemory = isRoot ? shareMemory(424242) : null;
makeSetuidId(`${rig.workspace}/setuid-id`);
makeDevice(`${rig.workspace}/device`);

const PROBES: Probe[] = [
  {
    name: 'read the environment of the runner',
    script: 'env',
    success: CANARY,
    withoutGuard: { env: { SECRET: CANARY }, options: (o) => o.without('--clearenv') },
  },
  {
    name: 'read the environment of the first process',
    script: 'cat /proc/1/environ',
    success: CANARY,
    // --clearenv is for the step; bubblewrap's own process keeps what it was started with.
    withoutGuard: { env: { SECRET: CANARY }, options: (o) => o.without('--as-pid-1') },
  },
  {
    name: 'read the options of the sandbox in a command line',
    script: 'cat /proc/1/cmdline',
    success: '--setenv',
    withoutGuard: { onCommandLine: true, options: (o) => o.without('--as-pid-1') },
  },
  {
    name: 'read a file that the runner has open',
    script: 'cat <&3',
    success: CANARY,
    withoutGuard: { descriptor: openSync(secretFile, 'r') },
  },
  {
    name: "read the runner's files",
    script: `cat ${secretFile}`,
    success: CANARY,
    withoutGuard: { options: (o, at) => o.with('--ro-bind', at(rig.directory), rig.directory) },
  },
  {
    name: 'read the password hashes',
    script: 'cat /etc/shadow',
    success: 'root:',
    withoutGuard: { options: (o) => o.with('--ro-bind', '/etc', '/etc'), entrance: asRunner },
    unshown: !isRoot,
  },
  {
    name: 'look into /root',
    script: 'cd /root && echo "in root\'s home"',
    success: "in root's home",
    withoutGuard: { options: (o) => o.with('--ro-bind', '/root', '/root'), entrance: asRunner },
    unshown: !isRoot,
  },
  {
    name: "list the host's processes",
    script: "cat /proc/[0-9]*/cmdline | tr '\\0' ' '",
    success: 'sleep 61337',
    withoutGuard: { options: withHostProcesses },
  },
  {
    name: 'signal a process of the same user',
    script: `kill -0 ${canaryProcess} && echo reached`,
    success: 'reached',
    withoutGuard: { options: withHostProcesses },
  },
  {
    name: 'see the shared memory of the host',
    script: 'ipcs --shmems',
    success: '424242',
    withoutGuard: { options: (o) => o.without('--unshare-ipc') },
    unshown: sharedMemory === null,
  },
  {
    name: 'learn the name of the host',
    script: 'test "$(uname -n)" = build || echo "this is $(uname -n)"',
    success: 'this is ',
    withoutGuard: { options: (o) => o.without('--unshare-uts', '--hostname') },
  },
  {
    name: 'connect to a server on loopback',
    script: connectTo('127.0.0.1'),
    success: CANARY,
    withoutGuard: { entrance: withoutNetwork },
  },
  {
    name: "connect to it through the network's gateway",
    script: connectTo('10.0.2.2'),
    success: CANARY,
    withoutGuard: { slirp4netns: write('slirp4netns', slirpWithLoopback(), 0o755) },
  },
  {
    name: 'connect to an abstract socket',
    script: perl(`socket(S, 1, 1, 0); connect(S, pack("S a*", 1, "\\0${CANARY}")) and print <S>`),
    success: CANARY,
    withoutGuard: { entrance: withoutNetwork },
  },
  {
    name: 'mount a file system',
    script: 'mount -t tmpfs none /tmp && echo mounted',
    success: 'mounted',
    withoutGuard: { options: withEveryRight },
  },
  {
    name: 'use a device that lies in the workspace',
    script: 'head -c 1 device >/dev/null && echo "zeros came"',
    success: 'zeros came',
    withoutGuard: { options: (o, at) => o.with('--dev-bind', at(rig.workspace), '/workspace') },
    unshown: !isRoot,
  },
  {
    name: 'make a device',
    script: 'mknod "$(mktemp -d)/zero" c 1 5 && echo made',
    success: 'made',
    withoutGuard: { command: onHost },
    unshown: !isRoot,
  },
  {
    name: 'become root by a setuid program',
    script: 'test "$(./setuid-id -u)" = 0 && echo "now root"',
    success: 'now root',
    withoutGuard: { command: (words) => onHost(words, rig.slot.owner) },
    unshown: !isRoot,
  },
  {
    name: 'make a user namespace',
    script: 'unshare --user true && echo nested',
    success: 'nested',
    withoutGuard: { options: (o) => o.without('--disable-userns') },
  },
  {
    name: 'use the keyring that the runner hands down',
    // add_key(2); its number is the machine's own.
    script: perl(
      `my ($type, $name, $key) = ("user", "name", "key");
       print "kept" if 0 < syscall(${process.arch === 'arm64' ? 217 : 248}, $type, $name, $key, 3, -3)`,
    ),
    success: 'kept',
    withoutGuard: { options: (o) => o.without('--seccomp') },
  },
  {
    name: "type into the runner's terminal",
    // TIOCSTI. It takes two guards, since a session of one's own already has no terminal.
    script: perl('open T, "<", "/dev/tty" or exit; print "typed" if ioctl(T, 0x5412, my $key = "x")'),
    success: 'typed',
    withoutGuard: { command: onTerminal, options: (o) => o.without('--new-session', '--seccomp') },
    unshown: kernelSetting('dev/tty/legacy_tiocsti') === '0',
  },
  {
    name: 'fill the memory through /dev',
    script: 'echo >/dev/probe && echo written',
    success: 'written',
    withoutGuard: { options: (o) => o.without('--remount-ro') },
  },
  {
    name: 'fill the memory through the root directory',
    script: 'echo >/probe && echo written',
    success: 'written',
    withoutGuard: { options: (o) => o.without('--remount-ro') },
  },
];

describe('a step cannot', () => {
  test.for(PROBES)('$name', async ({ script, success }) => {
    for (const network of ['egress', 'none'] as const) {
      const { kind, output } = await rig.run(script, { network });
      expect(kind).toBe('exited');
      expect(output).not.toContain(success);
    }
  });
});

describe('without its guard it can', () => {
  test.for(PROBES)('$name', async ({ script, success, withoutGuard, unshown }, { skip }) => {
    skip(unshown === true, isRoot ? 'this kernel forbids it anyway' : 'only root can take this guard away');
    expect(await rig.runWeakened(script, withoutGuard)).toContain(success);
  });
});

test('none of this harmed the process outside', () => {
  expect(existsSync(`/proc/${canaryProcess}`)).toBe(true);
});

afterAll(async () => {
  for (const end of ending) await end();
  await rig[Symbol.asyncDispose]();
});

function withHostProcesses(options: Options): void {
  options.without('--unshare-pid', '--as-pid-1', '--proc').with('--ro-bind', '/proc', '/proc');
}

/** For a devpts bubblewrap makes a second user namespace, which has no power over the mounts; hence no /dev. */
function withEveryRight(options: Options): void {
  options
    .without('--uid', '--gid', '--disable-userns', '--cap-drop', '--seccomp')
    .without('--dev', '--size', '--tmpfs', '--remount-ro')
    .with('--cap-add', 'ALL')
    .with('--uid', '0');
}

/** Enters the place as the runner itself. */
function asRunner(words: string[]): string[] {
  return words.filter((word) => !/^(--set[ug]id|\d{5,})$/.test(word) || word === words[2]);
}

/** Does not enter the place's network; without root, nothing of the place. */
function withoutNetwork(words: string[]): string[] {
  return isRoot ? words.filter((word) => word !== '--net') : [];
}

/** The script alone, on the host, in the workspace. */
function onHost(words: string[], user: { uid: number; gid: number } | null = null): string[] {
  const become = user ? ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'] : [];
  return ['env', '--chdir', rig.workspace, ...become, 'sh', '-c', words.at(-1) ?? ''];
}

/** With a terminal, as when somebody starts a runner by hand. */
function onTerminal(words: string[]): string[] {
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return ['script', '--quiet', '--return', '--command', quoted, '/dev/null'];
}

function connectTo(address: string): string {
  return perl(
    `socket(S, 2, 1, 0); connect(S, pack("S n a4 x8", 2, ${port}, pack("C4", split /\\./, "${address}"))) and print <S>`,
  );
}

/** Perl is there wherever Debian is, and can make any system call. */
function perl(program: string): string {
  return `perl -e '${program}'`;
}

async function listen(where: ListenOptions): Promise<number> {
  const server = createServer((socket) => socket.end(CANARY));
  await new Promise<void>((resolve) => server.listen(where, resolve));
  ending.push(() => server.close());
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

function write(name: string, content: string, mode = 0o644): string {
  const path = `${rig.directory}/${name}`;
  writeFileSync(path, content, { mode });
  return path;
}

/** As the user whom the sandbox's processes are on the host. */
function startProcess(program: string, argument: string): number {
  const child = spawn(program, [argument], { stdio: 'ignore', ...rig.slot.owner });
  ending.push(() => child.kill());
  return child.pid ?? 0;
}

function shareMemory(bytes: number): string {
  const made = execFileSync('/usr/bin/ipcmk', ['--shmem', String(bytes)], { encoding: 'utf8' });
  const id = made.trim().split(' ').at(-1) ?? '';
  ending.push(() => execFileSync('/usr/bin/ipcrm', ['--shmem-id', id]));
  return id;
}

function makeSetuidId(path: string): void {
  copyFileSync('/usr/bin/id', path);
  chmodSync(path, 0o4755);
}

function makeDevice(path: string): void {
  if (isRoot) execFileSync('mknod', ['--mode=666', path, 'c', '1', '5']);
}

function slirpWithLoopback(): string {
  return [
    '#!/bin/sh',
    'for word do shift; [ "$word" = --disable-host-loopback ] || set -- "$@" "$word"; done',
    'exec /usr/bin/slirp4netns "$@"',
  ].join('\n');
}

function kernelSetting(name: string): string | null {
  const path = `/proc/sys/${name}`;
  return existsSync(path) ? readFileSync(path, 'latin1').trim() : null;
}
