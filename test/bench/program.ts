import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type RepriseProcess, startProgram } from '../rig/process.ts';

/** A TypeScript program of this folder, on the same Node as Reprise, started as a process. */
export function startScript(script: string, ...args: string[]): RepriseProcess {
  const path = fileURLToPath(new URL(script, import.meta.url));
  return startProgram([process.execPath, path, ...args], {}, script);
}

/** Such a program that serves, once it listens. */
export interface PlainServer extends AsyncDisposable {
  address: string;
  pid: number;
}

export async function startPlainServer(script: string, ...args: string[]): Promise<PlainServer> {
  const server = startScript(script, ...args);
  const line = await server.line(/^listening on /);
  return {
    address: line.replace('listening on ', ''),
    pid: server.child.pid ?? 0,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

/** Runs a shell command to its end; rejects with what it said unless it succeeds. */
export async function shell(script: string): Promise<void> {
  const child = spawn('sh', ['-ec', script], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`sh -c '${script}' ended with ${code}: ${said}`);
}
