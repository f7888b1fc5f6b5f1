import type { HostAddress } from '@reprise/pipelines/hosts.ts';

/** Private files of one deployment, all below one private directory. */
export interface SshFiles {
  key: string;
  knownHosts: string;
  /** The socket of the host's only connection. */
  socket: string;
  /** The options of `SSH_OPTIONS` once more, for the ssh that reaches the jump host; null without one. */
  config: string | null;
}

/**
 * OpenSSH's own ciphers, with those first for which processors have instructions: an artifact is sent in a third of the processor
 * time that its default takes.
 */
const CIPHERS =
  'aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr';

/**
 * How every connection is made: with the given key and no other, to a host whose key is pinned and never learnt, without asking
 * anybody anything, forwarding anything, or running anything here. OpenSSH's own defaults ask, learn and wait for ever.
 */
export function sshOptions(files: Pick<SshFiles, 'key' | 'knownHosts'>): [string, string][] {
  return [
    ['BatchMode', 'yes'],
    ['StrictHostKeyChecking', 'yes'],
    ['UserKnownHostsFile', files.knownHosts],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['UpdateHostKeys', 'no'],
    ['IdentitiesOnly', 'yes'],
    ['IdentityFile', files.key],
    ['PasswordAuthentication', 'no'],
    ['KbdInteractiveAuthentication', 'no'],
    ['ForwardAgent', 'no'],
    ['ClearAllForwardings', 'yes'],
    ['PermitLocalCommand', 'no'],
    ['ConnectTimeout', '10'],
    ['ServerAliveInterval', '10'],
    ['ServerAliveCountMax', '3'],
    ['Ciphers', CIPHERS],
  ];
}

/**
 * The words of one ssh, whose last is `command`. The `master` makes the connection and holds it; the others go through its socket.
 * A jump host excludes `ProxyCommand`, and the ssh that reaches it takes nothing but the file from here.
 */
export function sshArguments(
  address: HostAddress,
  files: SshFiles,
  o: { master: boolean; jump: HostAddress | null; command: string },
): string[] {
  const proxy =
    o.jump === null
      ? ['-o', 'ProxyCommand=none']
      : ['-J', `${o.jump.user}@${bracketed(o.jump.host)}:${o.jump.port}`];
  return [
    '-F',
    files.config ?? 'none',
    '-T',
    ...sshOptions(files).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...proxy,
    '-o',
    `ControlMaster=${o.master ? 'yes' : 'no'}`,
    '-o',
    `ControlPath=${files.socket}`,
    '-o',
    'ControlPersist=no',
    '-p',
    String(address.port),
    '--',
    `${address.user}@${address.host}`,
    o.command,
  ];
}

/** The same options as a configuration file. Paths are ours and hold nothing that would need quoting. */
export function sshConfig(files: Pick<SshFiles, 'key' | 'knownHosts'>): string {
  const lines = [
    ...sshOptions(files),
    ['ProxyCommand', 'none'],
    ['ControlMaster', 'no'],
    ['ControlPath', 'none'],
  ];
  return lines.map(([name, value]) => `${name} ${value}\n`).join('');
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
