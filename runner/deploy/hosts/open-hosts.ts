import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHost } from '@reprise/pipelines/hosts.ts';
import type { Deployment } from '../deployment.ts';
import type { Host } from './host.ts';
import { localHost } from './local.ts';
import { SshHost } from './ssh.ts';
import { sshConfig } from './ssh-arguments.ts';

/** Process ids mean something within one namespace only, and containers may share the directory. */
const PREFIX = `reprise-deploy-${readlinkSync('/proc/self/ns/pid').replace(/[^0-9]/g, '')}-`;

/**
 * The hosts that the deployment means, in their order; none is connected to yet. Key and known hosts go into private files of a private
 * directory, in memory where the machine has `/dev/shm`; they are gone when this is disposed of. What a deployment that was
 * killed left there is removed first.
 */
export function openHosts(deployment: Deployment): { hosts: Host[] } & AsyncDisposable {
  const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  removeLeftovers(base);
  const directory = mkdtempSync(join(base, `${PREFIX}${process.pid}-`));
  const meant = deployment.environment.hosts.filter((name) => deployment.only?.includes(name) ?? true);
  const hosts = meant.map((name, index) => openHost(deployment, name, join(directory, `${index}`)));
  const leave = () => {
    for (const host of hosts) host.abandon();
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', leave);
  return {
    hosts,
    async [Symbol.asyncDispose]() {
      await Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()));
      process.removeListener('exit', leave);
      leave();
    },
  };
}

function openHost(deployment: Deployment, name: string, base: string): Host {
  const { environment, knownHosts } = deployment;
  const address = parseHost(name);
  if (address === null) return localHost(environment.path, deployment.localRoot);
  const jump = environment.jump === null ? null : parseHost(environment.jump);
  const pinned = [name, ...(environment.jump === null ? [] : [environment.jump])].flatMap(
    (host) => knownHosts[host] ?? [],
  );
  const files = {
    key: secretFile(`${base}.key`, `${(deployment.sshKey ?? '').replaceAll('\r', '').trim()}\n`),
    knownHosts: secretFile(`${base}.known_hosts`, pinned.map((line) => `${line}\n`).join('')),
    socket: `${base}.socket`,
    config: null as string | null,
  };
  if (jump !== null) files.config = secretFile(`${base}.config`, sshConfig(files));
  return new SshHost({ name, path: environment.path, address, jump, files });
}

function secretFile(path: string, text: string): string {
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
  chmodSync(path, 0o600);
  return path;
}

function removeLeftovers(base: string): void {
  for (const name of readdirSync(base)) {
    const pid = new RegExp(`^${PREFIX}([0-9]+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      rmSync(join(base, name), { recursive: true, force: true });
    } catch {
      // Somebody else's.
    }
  }
}
