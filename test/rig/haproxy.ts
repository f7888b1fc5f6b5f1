import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { tempDir } from './temp.ts';

/** The configuration that the documents show: what is tested is what people are given. */
export const HAPROXY_CFG = fileURLToPath(new URL('../../docs/several-servers/haproxy.cfg', import.meta.url));

/** A port nobody listens at, a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A real HAProxy, which ends with this process. */
export interface Haproxy extends AsyncDisposable {
  /** Ends it at once, with every connection through it, and starts it again. */
  restart(): Promise<void>;
}

/** A real HAProxy at `port`, before servers at these ports of this machine. Resolves once one of them is ready. */
export async function startHaproxy(port: number, ports: readonly number[]): Promise<Haproxy> {
  const dir = tempDir();
  const config = readFileSync(HAPROXY_CFG, 'utf8')
    .replace('bind :8080', `bind 127.0.0.1:${port}`)
    .replaceAll(/^ +server server-(\d+) .*\n/gm, (_line, number) => {
      const at = ports[Number(number) - 1];
      return at === undefined ? '' : `  server server-${number} 127.0.0.1:${at}\n`;
    });
  writeFileSync(dir.join('haproxy.cfg'), config);
  const words = ['--pdeathsig', 'KILL', 'haproxy', '-db', '-f', dir.join('haproxy.cfg')];
  const run = () => spawn('setpriv', words, { stdio: ['ignore', 'ignore', 'ignore'] });
  let child = run();
  await answers(port, child);
  return {
    async restart() {
      await end(child);
      child = run();
      await answers(port, child);
    },
    async [Symbol.asyncDispose]() {
      await end(child);
      dir[Symbol.dispose]();
    },
  };
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  while ((await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.status !== 200) {
    if (child.exitCode !== null) throw new Error('HAProxy ended.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
