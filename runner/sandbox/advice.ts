import { existsSync, readFileSync } from 'node:fs';

/** What a program said when a sandbox could not start, with what to do about it on this machine. */
export function advice(complaint: string, machine: Machine = thisMachine()): string {
  const text = complaint.trim().replaceAll(/\s*\n\s*/g, '; ');
  const remedy = REMEDIES.find(({ applies }) => applies(text, machine))?.remedy;
  return remedy ? `${text.replace(/\.$/, '')}. ${remedy}` : text;
}

/** What the advice depends on. Settings that the kernel does not have are `null`. */
export interface Machine {
  isRoot: boolean;
  isContainer: boolean;
  /** 0 on some Debians: only root may make user namespaces. */
  unprivilegedUserNamespaces: number | null;
  /** 1 on Ubuntu since 23.10: only programs with an AppArmor profile for it may use them. */
  apparmorRestrictsUserNamespaces: number | null;
  maxUserNamespaces: number | null;
  hasTun: boolean;
}

const CONTAINER_OPTIONS =
  'In a container, give it --security-opt seccomp=unconfined --security-opt apparmor=unconfined ' +
  '--security-opt systempaths=unconfined (podman: unmask=ALL) and --device /dev/net/tun, ' +
  'and --cap-add SYS_ADMIN --cap-add NET_ADMIN when it runs as root.';

const REMEDIES: { applies(text: string, machine: Machine): boolean; remedy: string }[] = [
  {
    applies: (text, machine) => /net\/tun/.test(text) || (!machine.hasTun && /slirp4netns/.test(text)),
    remedy:
      'slirp4netns needs the device /dev/net/tun, open to the user of the runner: load it (modprobe tun), ' +
      'allow it (chmod 0666 /dev/net/tun), and in a container pass it (--device /dev/net/tun).',
  },
  {
    applies: (_, machine) => machine.unprivilegedUserNamespaces === 0,
    remedy: 'User namespaces are switched off: sysctl -w kernel.unprivileged_userns_clone=1',
  },
  {
    applies: (_, machine) => machine.maxUserNamespaces === 0,
    remedy: 'User namespaces are switched off: sysctl -w user.max_user_namespaces=10000',
  },
  {
    applies: (_, machine) => machine.apparmorRestrictsUserNamespaces === 1,
    remedy:
      'AppArmor keeps bubblewrap from making user namespaces: install the package apparmor-profiles and load ' +
      'its profile bwrap-userns-restrict, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  },
  {
    applies: (text, machine) => machine.isContainer && /not permitted|permission|denied|mount/i.test(text),
    remedy: CONTAINER_OPTIONS,
  },
  {
    applies: (text, machine) => machine.isRoot && /not permitted/i.test(text),
    remedy:
      'As root the runner needs the capabilities SYS_ADMIN and NET_ADMIN; or start it as an ordinary user.',
  },
];

function thisMachine(): Machine {
  return {
    isRoot: process.getuid?.() === 0,
    isContainer: existsSync('/.dockerenv') || existsSync('/run/.containerenv'),
    unprivilegedUserNamespaces: setting('kernel/unprivileged_userns_clone'),
    apparmorRestrictsUserNamespaces: setting('kernel/apparmor_restrict_unprivileged_userns'),
    maxUserNamespaces: setting('user/max_user_namespaces'),
    hasTun: existsSync('/dev/net/tun'),
  };
}

function setting(name: string): number | null {
  const path = `/proc/sys/${name}`;
  return existsSync(path) ? Number(readFileSync(path, 'latin1')) : null;
}
