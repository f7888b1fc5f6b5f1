import { spawn } from 'node:child_process';
import { chownSync, closeSync, mkdirSync, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { findProgram } from '@reprise/runner/process.ts';
import { openBubblewrap } from '@reprise/runner/sandbox/bubblewrap.ts';
import { bubblewrapArguments, type Enclosure } from '@reprise/runner/sandbox/bubblewrap-arguments.ts';
import { Place } from '@reprise/runner/sandbox/place.ts';
import type { Sandbox, SandboxResult, SandboxSpec, Slot } from '@reprise/runner/sandbox/sandbox.ts';
import { systemFiles } from '@reprise/runner/sandbox/system-files.ts';
import { tempDir } from '../../rig/temp.ts';

export const isRoot = process.getuid?.() === 0;

/** One slot of a real sandbox with an attempt's directories, and the same sandbox with one of its guards taken away. */
export interface SandboxRig extends AsyncDisposable {
  sandbox: Sandbox;
  slot: Slot;
  /** On the host. */
  directory: string;
  workspace: string;
  /** Runs a script for /bin/sh as a step. */
  run(script: string, changes?: Partial<SandboxSpec>): Promise<SandboxResult & { output: string }>;
  /** Runs it as a step would be, but for one weakness. Resolves with what it printed. */
  runWeakened(script: string, weakness: Weakness): Promise<string>;
}

/** What is different from a sandbox of ours. */
export interface Weakness {
  /** Bubblewrap's options; `locate` tells where the place has a path of the host. */
  options?(options: Options, locate: (path: string) => string): void;
  /** On bubblewrap's command line instead of a descriptor. */
  onCommandLine?: boolean;
  /** The command that enters the place, such as without its network. */
  entrance?(words: string[]): string[];
  /** The environment of bubblewrap itself. */
  env?: NodeJS.ProcessEnv;
  /** A descriptor handed on. */
  descriptor?: number;
  /** Programs of the place. */
  slirp4netns?: string;
  /** The whole command. */
  command?(words: string[]): string[];
}

/** Bubblewrap's options as a list of lists: each with its operands. */
export class Options {
  #list: string[][];

  constructor(flat: string[]) {
    this.#list = [];
    for (const word of flat) {
      if (word.startsWith('--')) this.#list.push([word]);
      else this.#list.at(-1)?.push(word);
    }
  }

  without(...names: string[]): this {
    this.#list = this.#list.filter(
      ([name = '', first]) => !names.includes(name) && !names.includes(`${name} ${first}`),
    );
    return this;
  }

  /** Before the root directory becomes read-only, after which nothing can be mounted. */
  with(...option: string[]): this {
    const end = this.#list.findIndex(([name]) => name === '--remount-ro');
    this.#list.splice(end < 0 ? this.#list.length : end, 0, option);
    return this;
  }

  flat(): string[] {
    return this.#list.flat();
  }
}

export const STEP_ENV = {
  PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/home/build',
  LANG: 'C.UTF-8',
  TZ: 'UTC',
};

export async function sandboxRig(): Promise<SandboxRig> {
  const dir = tempDir();
  const data = dir.join('data');
  mkdirSync(data, { mode: 0o711 });
  const sandbox = await openBubblewrap({ roots: [data], stateDir: dir.join('data', 'sandbox') });
  const slot = await sandbox.openSlot(0);
  const attempt = attemptDirectories(dir.join('data', 'attempt'), slot);
  return {
    sandbox,
    slot,
    directory: data,
    workspace: attempt.workspace,
    async run(script, changes = {}) {
      const chunks: Buffer[] = [];
      const result = await sandbox.run({
        slot,
        ...attempt,
        readOnly: [],
        writable: [],
        env: STEP_ENV,
        argv: ['/bin/sh', '-c', script],
        cwd: '/workspace',
        network: 'egress',
        onOutput: (chunk) => {
          chunks.push(chunk);
        },
        signal: new AbortController().signal,
        killGraceMs: 2000,
        ...changes,
      });
      return { ...result, output: Buffer.concat(chunks).toString() };
    },
    runWeakened: (script, weakness) => runWeakened({ script, weakness, data, slot, attempt }),
    async [Symbol.asyncDispose]() {
      await sandbox.close();
      dir[Symbol.dispose]();
    },
  };
}

export function attemptDirectories(directory: string, { owner }: Slot) {
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  const make = (name: string) => {
    mkdirSync(`${directory}/${name}`);
    if (owner) chownSync(`${directory}/${name}`, owner.uid, owner.gid);
    return `${directory}/${name}`;
  };
  return { workspace: make('workspace'), home: make('home'), tmp: make('tmp') };
}

interface Weakened {
  script: string;
  weakness: Weakness;
  data: string;
  slot: Slot;
  attempt: Pick<Enclosure, 'workspace' | 'home' | 'tmp'>;
}

async function runWeakened({ script, weakness, data, slot, attempt }: Weakened): Promise<string> {
  const place = await Place.open({
    programs: {
      unshare: found('unshare'),
      nsenter: found('nsenter'),
      slirp4netns: weakness.slirp4netns ?? found('slirp4netns'),
    },
    asRoot: isRoot,
    owner: slot.owner,
    roots: [data],
    base: '/mnt',
  });
  try {
    const options = new Options(
      bubblewrapArguments({
        ...attempt,
        readOnly: [],
        writable: [],
        env: STEP_ENV,
        network: 'egress',
        system: systemFiles(`${data}/weakened-etc`, []),
        jsonStatusFd: 1,
        seccompFd: 5,
        locate: (path) => place.locate(path),
      }),
    ).without('--json-status-fd');
    weakness.options?.(options, (path) => place.locate(path));
    const enter = weakness.entrance?.(place.entrance()) ?? place.entrance();
    const given = weakness.onCommandLine ? options.flat() : ['--args', '4'];
    const whole = [...enter, found('bwrap'), ...given, '--', '/bin/sh', '-c', script];
    const words = weakness.command?.(whole) ?? whole;
    const filter = openSync(`${data}/sandbox/system-calls.bpf`, 'r');
    const child = spawn(words[0] ?? '', words.slice(1), {
      env: weakness.env ?? {},
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe', weakness.descriptor ?? 'ignore', 'pipe', filter],
    });
    closeSync(filter);
    (child.stdio[4] as Writable)
      .on('error', () => {})
      .end(
        options
          .flat()
          .map((word) => `${word}\0`)
          .join(''),
      );
    const output = await Promise.all([text(child.stdout as Readable), text(child.stderr as Readable)]);
    return output.join('');
  } finally {
    await place.close();
  }
}

function found(program: string): string {
  const path = findProgram(program);
  if (path === null) throw new Error(`${program} is not installed`);
  return path;
}
