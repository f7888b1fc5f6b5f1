import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import type { HostAddress } from '@reprise/pipelines/hosts.ts';
import { SYSTEM_PATH } from '../../process.ts';
import type { Place } from '../scripts/lock.ts';
import { type Program, READER } from '../scripts/program.ts';
import type { Host } from './host.ts';
import { type Answer, type RunOptions, Session } from './session.ts';
import { type SshFiles, sshArguments } from './ssh-arguments.ts';

/** The first program of a connection: it says that it is there. */
const HELLO: Program = { values: {}, body: '' };
/** ConnectTimeout bounds the connection, not what a host does after it. */
const READY_MS = 30_000;

/** A host over the system's OpenSSH: one connection, which all programs share and which is made again when it was lost. */
export class SshHost implements Host {
  readonly name: string;
  readonly place: Place;
  readonly #address: HostAddress;
  readonly #jump: HostAddress | null;
  readonly #files: SshFiles;
  readonly #children = new Set<ChildProcessWithoutNullStreams>();
  /** The connection's own. It ends when this process does, because its input ends then: nothing is left of a deployment that is killed. */
  #session: Session | null = null;

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

  /** What has input gets a session of its own, because what a program leaves of it would be taken for the next program. */
  async run(program: Program, options: RunOptions): Promise<Answer> {
    const problem = await this.#connect();
    if (problem !== null) return { kind: 'lost', why: problem, begun: false };
    const said = new Tail();
    const output = (bytes: Buffer) => {
      said.push(bytes);
      return options.output(bytes);
    };
    const answer = await this.#give(program, { ...options, output });
    if (answer.kind !== 'lost' || answer.late) return answer;
    return { ...answer, why: explain(said.text(), this.name) ?? answer.why };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.[Symbol.asyncDispose]();
  }

  abandon(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  async #give(program: Program, options: RunOptions): Promise<Answer> {
    if (options.input === undefined && this.#session !== null) return this.#session.run(program, options);
    await using session = new Session(this.#spawn(false));
    return await session.run(program, options);
  }

  /** Null when there is a connection, else why there is none. */
  async #connect(): Promise<string | null> {
    if (this.#session?.isOpen) return null;
    // One that was lost may have left it, and ssh would not put another in its place.
    rmSync(this.#files.socket, { force: true });
    const said = new Tail();
    this.#session = new Session(this.#spawn(true));
    const answer = await this.#session.run(HELLO, {
      timeoutMs: READY_MS,
      output: (bytes) => said.push(bytes),
    });
    if (answer.kind === 'done') return null;
    return explain(said.text(), this.name) ?? `${this.name} cannot be reached: ${lastLine(said.text())}`;
  }

  #spawn(master: boolean): ChildProcessWithoutNullStreams {
    const words = sshArguments(this.#address, this.#files, { master, jump: this.#jump, command: READER });
    const child = spawn('ssh', words, { env: { PATH: SYSTEM_PATH }, cwd: '/' });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }
}

/** The end of what ssh and a program wrote, in which ssh says why it gave up. */
class Tail {
  readonly #pieces: Buffer[] = [];

  push(bytes: Buffer): void {
    this.#pieces.push(bytes);
    if (this.#pieces.length > 16) this.#pieces.shift();
  }

  text(): string {
    return Buffer.concat(this.#pieces).toString();
  }
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
