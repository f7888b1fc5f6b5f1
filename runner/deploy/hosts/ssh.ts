import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { HostAddress } from '@reprise/pipelines/hosts.ts';
import { SYSTEM_PATH } from '../../process.ts';
import type { Place } from '../scripts/lock.ts';
import { type Program, READER } from '../scripts/program.ts';
import { type Answer, type ConverseOptions, converse } from './converse.ts';
import type { Host } from './host.ts';
import { type SshFiles, sshArguments } from './ssh-arguments.ts';

/**
 * What the connection's own session does: it says that it is there, and ends when this process does, because its input ends
 * then. So nothing is left of a deployment that is killed.
 */
const HOLD = "exec sh -c 'echo reprise && exec cat >/dev/null'";

/** ConnectTimeout bounds the connection, not what a host does after it. */
const READY_MS = 30_000;
/** How long a connection may take to end in order. */
const LEAVE_MS = 2000;

/** A host over the system's OpenSSH: one connection, which all programs share and which is made again when it was lost. */
export class SshHost implements Host {
  readonly name: string;
  readonly place: Place;
  readonly #address: HostAddress;
  readonly #jump: HostAddress | null;
  readonly #files: SshFiles;
  readonly #children = new Set<ChildProcessWithoutNullStreams>();
  #master: ChildProcessWithoutNullStreams | null = null;

  constructor(o: {
    name: string;
    path: string;
    address: HostAddress;
    jump: HostAddress | null;
    files: SshFiles;
  }) {
    this.name = o.name;
    this.place = { path: o.path, root: '' };
    this.#address = o.address;
    this.#jump = o.jump;
    this.#files = o.files;
  }

  async run(program: Program, options: ConverseOptions): Promise<Answer> {
    const problem = await this.#connect();
    if (problem !== null) return { kind: 'lost', why: problem, begun: false };
    const said: Buffer[] = [];
    const output = (bytes: Buffer) => {
      said.push(bytes);
      if (said.length > 16) said.shift();
      return options.output(bytes);
    };
    const answer = await converse(this.#spawn(false, READER), program, { ...options, output });
    if (answer.kind !== 'lost' || answer.late) return answer;
    return { ...answer, why: explain(Buffer.concat(said).toString(), this.name) ?? answer.why };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const master = this.#master;
    if (master === null || !isAlive(master)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    master.once('exit', () => resolve());
    const kill = setTimeout(() => master.kill('SIGKILL'), LEAVE_MS);
    master.stdin.end();
    await promise;
    clearTimeout(kill);
  }

  abandon(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  /** Null when there is a connection, else why there is none. */
  async #connect(): Promise<string | null> {
    if (this.#master !== null && isAlive(this.#master)) return null;
    const master = this.#spawn(true, HOLD);
    this.#master = master;
    let said = '';
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let heard = '';
    master.stdout.setEncoding('utf8').on('data', (text: string) => {
      heard = (heard + text).slice(-65_536);
      if (/(?:^|\n)reprise\r?\n/.test(heard)) resolve(true);
    });
    master.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-65_536);
    });
    master.stdin.on('error', () => undefined);
    master.once('error', (error) => {
      said += error.message;
      resolve(false);
    });
    master.once('close', () => resolve(false));
    const late = setTimeout(() => master.kill('SIGKILL'), READY_MS);
    const isReady = await promise;
    clearTimeout(late);
    if (isReady) return null;
    return explain(said, this.name) ?? `${this.name} cannot be reached: ${lastLine(said)}`;
  }

  #spawn(master: boolean, command: string): ChildProcessWithoutNullStreams {
    const words = sshArguments(this.#address, this.#files, { master, jump: this.#jump, command });
    const child = spawn('ssh', words, { env: { PATH: SYSTEM_PATH }, cwd: '/' });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }
}

function isAlive(child: ChildProcessWithoutNullStreams): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** A sentence for what ssh says when it gives up; null when it says nothing known. */
function explain(said: string, host: string): string | null {
  if (/HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No .* host key is known/.test(said)) {
    return `${host} did not show the host key that is pinned for it, or none is pinned: nothing was sent. If the host was really given a new key, confirm it first.`;
  }
  if (/Permission denied \(/.test(said)) return `${host} does not let the deployment's ssh key in.`;
  if (/Could not resolve hostname/.test(said)) return `${host} has a name that cannot be resolved.`;
  const network =
    /(Connection refused|Connection timed out|No route to host|Network is unreachable|Connection closed|Connection reset|Broken pipe|not responding)/.exec(
      said,
    );
  return network === null ? null : `${host} cannot be reached: ${network[1]?.toLowerCase()}.`;
}

function lastLine(said: string): string {
  return (
    said
      .trim()
      .split(/[\r\n]+/)
      .at(-1)
      ?.slice(0, 300) || 'ssh ended without a word'
  );
}
