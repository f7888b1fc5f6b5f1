import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../db/id.ts';
import type { Project } from '../db/schema.ts';
import { purposes, type Vault } from '../vault.ts';
import type { CloneUrl } from './clone-url.ts';
import { GITHUB_HOST_KEYS } from './known-hosts.ts';

/** What one git process needs to be let in by an upstream, and the texts that must not be shown because of it. */
export interface Access {
  env: Record<string, string>;
  secrets: string[];
}

/** Where keys and host keys lie on this server. */
export interface SshFiles {
  /** Holds a deploy key only while git runs; emptied at start-up. */
  keyDir: string;
  /** The operator's host keys. */
  knownHosts: string;
  /** Those that come with Reprise. */
  builtInHosts: string;
}

/** Makes what of this is missing, and removes deploy keys that a killed server left behind. */
export function openSshFiles(mirrorsDir: string, sshDir: string): SshFiles {
  const files = {
    keyDir: join(mirrorsDir, '.keys'),
    knownHosts: join(sshDir, 'known_hosts'),
    builtInHosts: join(mirrorsDir, '.github-host-keys'),
  };
  rmSync(files.keyDir, { recursive: true, force: true });
  mkdirSync(mirrorsDir, { recursive: true, mode: 0o700 });
  mkdirSync(sshDir, { recursive: true, mode: 0o700 });
  writeFileSync(files.builtInHosts, `${GITHUB_HOST_KEYS.join('\n')}\n`);
  return files;
}

/**
 * Does `work` with the project's credential opened. A token is given to git in its environment; a deploy key lies in a file
 * of mode 0600 until `work` has ended. Neither is ever an argument, part of an address, or kept.
 */
export async function withAccess<T>(
  o: { project: Project; url: CloneUrl; vault: Vault; ssh: SshFiles },
  work: (access: Access) => Promise<T>,
): Promise<T> {
  const { project, url } = o;
  const credential =
    project.credential === null ? null : o.vault.open(project.credential, purposes.credential(project.id));
  if (url.protocol !== 'ssh')
    return work(withToken(url, project.credential_kind === 'token' ? credential : null));
  if (project.credential_kind !== 'deploy-key' || credential === null) return work(sshAccess(o.ssh, null));

  const keyFile = join(o.ssh.keyDir, newId());
  await mkdir(o.ssh.keyDir, { recursive: true, mode: 0o700 });
  try {
    await writeFile(keyFile, credential, { mode: 0o600, flag: 'wx' });
    return await work(sshAccess(o.ssh, keyFile));
  } finally {
    await rm(keyFile, { force: true });
  }
}

/** GitHub and others take a token as the password of any user; bound to this host, so that no other is ever sent it. */
function withToken(url: CloneUrl, token: string | null): Access {
  if (token === null || url.protocol === 'file') return { env: {}, secrets: [] };
  const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
  const origin = `${url.protocol}://${url.host}${url.port === null ? '' : `:${url.port}`}/`;
  return {
    env: {
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `http.${origin}.extraHeader`,
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    },
    secrets: [token, basic],
  };
}

function sshAccess(files: SshFiles, keyFile: string | null): Access {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile="${files.knownHosts}"`,
    `GlobalKnownHostsFile="${files.builtInHosts}"`,
    'UpdateHostKeys=no',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `IdentityFile="${keyFile ?? 'none'}"`,
    'PreferredAuthentications=publickey',
    'PasswordAuthentication=no',
    'KbdInteractiveAuthentication=no',
    'ForwardAgent=no',
    'ClearAllForwardings=yes',
    'PermitLocalCommand=no',
    'ProxyCommand=none',
    'ConnectTimeout=10',
    'ServerAliveInterval=10',
    'ServerAliveCountMax=3',
    'ControlMaster=no',
    'ControlPath=none',
  ];
  const command = [
    'ssh',
    '-F',
    'none',
    '-T',
    ...options.flatMap((option) => ['-o', shellQuote(option)]),
  ].join(' ');
  return {
    env: { GIT_SSH_COMMAND: command, GIT_SSH_VARIANT: 'ssh' },
    secrets: [keyFile ?? '', files.knownHosts, files.builtInHosts],
  };
}

/** Git gives the command to a shell. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The sentence for a host whose key is not known or not the known one; null where ssh did not complain of that. */
export function hostKeyProblem(stderr: string, url: CloneUrl): string | null {
  if (url.protocol !== 'ssh') return null;
  const named = url.port === null || url.port === 22 ? url.host : `[${url.host}]:${url.port}`;
  const scan = `ssh-keyscan -p ${url.port ?? 22} ${url.host} >> "$REPRISE_DATA_DIR/ssh/known_hosts"`;
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(stderr))
    return (
      `The host ${named} shows another key than the known one, so nothing was fetched. If the host's key was really changed, ` +
      `take the old lines for ${named} out of the data directory's ssh/known_hosts, then: ${scan}`
    );
  if (/host key is known for|Host key verification failed/.test(stderr))
    return (
      `The host key of ${named} is not known, so nothing was fetched. Add it on Reprise's server, and compare it with what ` +
      `the host's operator publishes: ${scan}`
    );
  return null;
}
