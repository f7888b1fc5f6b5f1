import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
}

/** Starts one in `dir`; `port` 0 takes a free one. */
export async function startSshd(dir: string, port = 0): Promise<TestSshd> {
  mkdirSync(dir, { recursive: true });
  const chosen = port || (await freePort());
  const [hostKey, authorized] = [join(dir, 'host_key'), join(dir, 'authorized_keys')];
  rmSync(hostKey, { force: true });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
  writeFileSync(authorized, '');
  const config = [
    `ListenAddress 127.0.0.1:${chosen}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${authorized}`,
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
  ];
  writeFileSync(join(dir, 'sshd_config'), `${config.join('\n')}\n`);
  // Where a packaged sshd separates its privileges; its own start script would make it.
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true });
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(dir, 'sshd_config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = once(child, 'close');
  const said: string[] = [];
  const listening = Promise.withResolvers<void>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line);
    if (line.startsWith('Server listening on')) listening.resolve();
  });
  void closed.then(() => listening.reject(new Error(`sshd ended: ${said.join('\n')}`)));
  await listening.promise;
  const [type, key] = readFileSync(`${hostKey}.pub`, 'utf8').split(' ');
  return {
    port: chosen,
    user: userInfo().username,
    hostLine: `[127.0.0.1]:${chosen} ${type} ${key}`,
    authorize: (publicKey) => writeFileSync(authorized, `${publicKey}\n`),
    async [Symbol.asyncDispose]() {
      child.kill();
      await closed;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}
