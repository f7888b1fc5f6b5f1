import { bubblewrapArguments, type Enclosure } from '@reprise/runner/sandbox/bubblewrap-arguments.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const ENCLOSURE: Enclosure = {
  workspace: '/data/attempts/a1/workspace',
  home: '/data/attempts/a1/home',
  tmp: '/data/attempts/a1/tmp',
  readOnly: [{ source: '/data/mirrors/shop.git/objects', target: '/reprise/objects' }],
  writable: [{ source: '/data/attempts/a1/step-1', target: '/reprise/step' }],
  env: { PATH: '/usr/bin:/bin', GREETING: 'hello --bind / /' },
  network: 'egress',
  system: {
    same: ['/usr', '/lib32'],
    etc: '/data/sandbox/etc',
    live: ['/etc/alternatives', '/etc/ssl/certs'],
    links: [{ path: '/bin', target: 'usr/bin' }],
  },
  jsonStatusFd: 6,
  seccompFd: 7,
  locate: (path) => path.replace(/^\/data\//, '/mnt/0/'),
};

test('a sandbox, option by option', () => {
  expect(bubblewrapArguments(ENCLOSURE).join(' ').replaceAll(' --', '\n--')).toBe(
    `--unshare-user
--uid 1000
--gid 1000
--disable-userns
--unshare-pid
--unshare-ipc
--unshare-uts
--unshare-cgroup-try
--hostname build
--die-with-parent
--new-session
--as-pid-1
--cap-drop ALL
--clearenv
--json-status-fd 6
--seccomp 7
--ro-bind /usr /usr
--ro-bind /lib32 /lib32
--ro-bind /mnt/0/sandbox/etc /etc
--ro-bind /etc/alternatives /etc/alternatives
--ro-bind /etc/ssl/certs /etc/ssl/certs
--symlink usr/bin /bin
--proc /proc
--dev /dev
--size 536870912
--tmpfs /dev/shm
--bind /mnt/0/attempts/a1/workspace /workspace
--bind /mnt/0/attempts/a1/home /home/build
--bind /mnt/0/attempts/a1/tmp /tmp
--ro-bind /mnt/0/mirrors/shop.git/objects /reprise/objects
--bind /mnt/0/attempts/a1/step-1 /reprise/step
--remount-ro /dev
--remount-ro /
--chdir /workspace
--setenv PATH /usr/bin:/bin
--setenv GREETING hello
--bind / /`,
  );
});

test('a value that looks like an option is the operand of one', () => {
  expect(bubblewrapArguments(ENCLOSURE).slice(-3)).toEqual(['--setenv', 'GREETING', 'hello --bind / /']);
});

test('network none takes the network away, egress is entered from outside', () => {
  expect(bubblewrapArguments({ ...ENCLOSURE, network: 'none' })).toContain('--unshare-net');
  expect(bubblewrapArguments({ ...ENCLOSURE, network: 'egress' })).not.toContain('--unshare-net');
});

describe('refused, in words', () => {
  test.for([
    ['/', '/host', '/ is never shown to steps'],
    ['/proc/1/root', '/host', '/proc/1/root is never shown to steps'],
    ['/run/user/1000', '/run/user/1000', '/run/user/1000 is never shown to steps'],
    ['/var/run/docker.sock', '/docker.sock', '/var/run/docker.sock is never shown to steps'],
    ['/srv/podman.sock', '/srv/podman.sock', '/srv/podman.sock is never shown to steps'],
    ['/etc/shadow', '/etc/shadow', '/etc/shadow is never shown to steps'],
    ['/etc/ssl/private/key.pem', '/key.pem', '/etc/ssl/private/key.pem is never shown to steps'],
    ['/dev', '/devices', '/dev is never shown to steps'],
    ['/opt/tools', '/workspace', 'nothing can be mounted over /workspace'],
    ['/opt/tools', '/proc/sys', 'nothing can be mounted over /proc/sys'],
    ['/opt/tools', '/usr', 'nothing can be mounted over /usr'],
    ['tools', '/opt/tools', 'must be absolute and plain: "tools"'],
    ['/opt/../etc/shadow', '/x', 'must be absolute and plain: "/opt/../etc/shadow"'],
    ['/opt/tools/', '/opt/tools', 'must be absolute and plain: "/opt/tools/"'],
  ])('%s at %s', ([source = '', target = '', message]) => {
    for (const kind of ['readOnly', 'writable'] as const) {
      expect(() => bubblewrapArguments({ ...ENCLOSURE, [kind]: [{ source, target }] })).toThrow(message);
    }
  });

  test('a NUL byte, which would begin another option', () => {
    const hostile = { ...ENCLOSURE, env: { A: 'x\0--bind\0/\0/host' } };
    expect(() => bubblewrapArguments(hostile)).toThrow('a NUL byte in "x\\u0000--bind');
  });

  test('a variable without a proper name', () => {
    for (const name of ['', 'A=B']) {
      expect(() => bubblewrapArguments({ ...ENCLOSURE, env: { [name]: '' } })).toThrow(
        "not a variable's name",
      );
    }
  });
});

/** How many operands each option that we use has. Another option than these is an error in itself. */
const OPERANDS: Record<string, number> = {
  ...{
    '--unshare-user': 0,
    '--uid': 1,
    '--gid': 1,
    '--disable-userns': 0,
    '--unshare-pid': 0,
    '--unshare-ipc': 0,
  },
  ...{
    '--unshare-uts': 0,
    '--unshare-cgroup-try': 0,
    '--unshare-net': 0,
    '--hostname': 1,
    '--die-with-parent': 0,
  },
  ...{
    '--new-session': 0,
    '--as-pid-1': 0,
    '--cap-drop': 1,
    '--clearenv': 0,
    '--json-status-fd': 1,
    '--seccomp': 1,
  },
  ...{ '--ro-bind': 2, '--bind': 2, '--symlink': 2, '--proc': 1, '--dev': 1, '--size': 1, '--tmpfs': 1 },
  ...{ '--remount-ro': 1, '--chdir': 1, '--setenv': 2 },
};

function parsed(args: string[]): string[][] {
  const options: string[][] = [];
  for (let at = 0; at < args.length; ) {
    const count = OPERANDS[args[at] ?? ''];
    if (count === undefined) throw new Error(`an option that is not ours: ${args[at]}`);
    options.push(args.slice(at, at + 1 + count));
    at += 1 + count;
  }
  return options;
}

test('whatever a pipeline or an operator asks for, the sandbox stays one', () => {
  const word = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('--bind', '--share-net', '--cap-add', '/', '\0--dev-bind\0/\0/', '../../..', 'A=B'),
  );
  const path = fc.oneof(
    word,
    word.map((text) => `/${text}`),
    fc.constantFrom(
      '/',
      '/proc',
      '/dev/sda',
      '/etc/shadow',
      '/run/docker.sock',
      '/opt/x',
      '/workspace',
      '/usr',
    ),
  );
  const mounts = fc.array(fc.record({ source: path, target: path }), { maxLength: 3 });
  const request = fc.record({
    readOnly: mounts,
    writable: mounts,
    env: fc.dictionary(word, word),
    network: fc.constantFrom('egress' as const, 'none' as const),
  });
  fc.assert(
    fc.property(request, (asked) => {
      let args: string[];
      try {
        args = bubblewrapArguments({ ...ENCLOSURE, ...asked });
      } catch {
        return; // Refused: nothing starts.
      }
      const options = parsed(`${args.join('\0')}\0`.split('\0').slice(0, -1));
      const names = options.map(([name]) => name);
      for (const needed of ['--disable-userns', '--unshare-pid', '--clearenv', '--cap-drop', '--seccomp']) {
        expect(names).toContain(needed);
      }
      for (const [name, source, target] of options) {
        if (name !== '--bind' && name !== '--ro-bind') continue;
        expect(source).not.toMatch(
          /^\/(proc|dev|sys|run|boot)?(\/|$)$|^\/(proc|dev|sys|run|boot)\/|shadow$|\.sock$/,
        );
        expect(target).not.toMatch(/^\/$|^\/(proc|dev|sys|bin|lib)(\/|$)/);
      }
    }),
    { numRuns: 1000 },
  );
});
