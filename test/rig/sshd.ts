import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A real OpenSSH server on loopback, with a host key and authorized keys of its own. */
export interface TestSshd extends AsyncDisposable {
  port: number;
  user: string;
  /** `[127.0.0.1]:port type key`: what `known_hosts` must have. */
  hostLine: string;
  /** Lets one public key in, and no other. */
  authorize(publicKey: string): void;
  /** Kills it and everything that runs on it over ssh, as a power cut would. */
  crash(): Promise<void>;
}

export interface StartSshd {
  /** 0 or none takes a free one. */
  port?: number;
  /** Where the keys are that it lets in, instead of a file of its own. */
  authorizedKeys?: string;
  /** Words put before the command, which end with executing it. */
  through?: string[];
  /** Lines of its configuration. */
  config?: string[];
}

/** Starts one in `dir`, with a new host key. */
export async function startSshd(dir: string, o: StartSshd = {}): Promise<TestSshd> {
  mkdirSync(dir, { recursive: true });
  const port = o.port || (await freePort());
  const hostKey = join(dir, 'host_key');
  const authorized = o.authorizedKeys ?? join(dir, 'authorized_keys');
  rmSync(hostKey, { force: true });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
  if (o.authorizedKeys === undefined) writeFileSync(authorized, '');
  const config = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${authorized}`,
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'Subsystem sftp internal-sftp',
    ...(o.config ?? []),
  ];
  writeFileSync(join(dir, 'sshd_config'), `${config.join('\n')}\n`);
  // Where a packaged sshd separates its privileges; its own start script would make it.
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true });
  const command = [...(o.through ?? []), '/usr/sbin/sshd', '-D', '-e', '-f', join(dir, 'sshd_config')];
  const [program = '', ...words] = command;
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  const said: string[] = [];
  const listening = Promise.withResolvers<void>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line);
    if (line.startsWith('Server listening on')) listening.resolve();
  });
  void exited.then(() => listening.reject(new Error(`sshd ended: ${said.join('\n')}`)));
  await listening.promise;
  const [type, key] = readFileSync(`${hostKey}.pub`, 'utf8').split(' ');
  return {
    port,
    user: userInfo().username,
    hostLine: `[127.0.0.1]:${port} ${type} ${key?.trim()}`,
    authorize: (publicKey) => writeFileSync(authorized, `${publicKey}\n`),
    async crash() {
      for (const pid of [...descendants(child.pid ?? 0), child.pid ?? 0]) kill(pid);
      await exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await exited;
    },
  };
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

/** Also those that gave themselves a session of their own, as the commands of a deployment do. */
function descendants(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // Gone meanwhile.
    }
  }
  const found = [root];
  for (const one of found) for (const [pid, parent] of parents) if (parent === one) found.push(pid);
  return found.slice(1);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
