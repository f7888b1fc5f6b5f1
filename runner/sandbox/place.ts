import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { relative } from 'node:path';
import type { Readable } from 'node:stream';
import { ended, SYSTEM_PATH } from '../process.ts';
import { enterPlaceScript } from './place-script.ts';

/** The programs a place is made of, as absolute paths. */
export interface PlacePrograms {
  unshare: string;
  nsenter: string;
  slirp4netns: string;
}

export interface PlaceOptions {
  programs: PlacePrograms;
  asRoot: boolean;
  /** Who enters; `null`: whoever the runner is. */
  owner: { uid: number; gid: number } | null;
  /** As root: these directories are at `<base>/0`, `<base>/1` … inside, and what the host has at `base` is covered. */
  roots: string[];
  base: string;
}

/** Longer than this, and one of the programs hangs: half a second is usual for both on a loaded machine. */
const OPEN_MS = 10_000;

/**
 * Namespaces that are made once and entered by many sandboxes: a network with a way out and, as root, a view of the files
 * in which the runner's directories are at a path that any user can walk. (An ordinary user may own neither, so as one
 * there is a user namespace around them.)
 *
 * Two processes keep it open: the holder, which waits for its standard input to end, and slirp4netns, which carries the
 * packets. Both end with the runner however it ends, because their pipes close.
 */
export class Place {
  readonly #holder: ChildProcess;
  readonly #slirp: ChildProcess;
  readonly #options: PlaceOptions;
  #isOpen = true;

  private constructor(holder: ChildProcess, slirp: ChildProcess, options: PlaceOptions) {
    this.#holder = holder;
    this.#slirp = slirp;
    this.#options = options;
    for (const child of [holder, slirp]) {
      child.once('exit', () => {
        this.#isOpen = false;
      });
    }
  }

  /** Throws with what the failing program said. */
  static async open(options: PlaceOptions): Promise<Place> {
    const holder = await startHolder(options);
    try {
      return new Place(holder, await startSlirp(options, holder), options);
    } catch (error) {
      holder.kill('SIGKILL');
      throw error;
    }
  }

  /** False when one of its processes is gone: nothing can enter, or what enters has no network. Open another one then. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The command line before that of a program which shall run in here, as the owner and in no other group. */
  entrance(): string[] {
    const { programs, asRoot, owner } = this.#options;
    const enter = [programs.nsenter, '--target', String(this.#holder.pid), '--net'];
    if (!asRoot) return [...enter, '--user', '--preserve-credentials', '--'];
    if (owner === null) return [...enter, '--mount', '--'];
    return [...enter, '--mount', '--setgid', String(owner.gid), '--setuid', String(owner.uid), '--'];
  }

  /** Where a host path is found in here. */
  locate(path: string): string {
    const { asRoot, roots, base } = this.#options;
    const index = asRoot ? roots.findIndex((root) => path === root || path.startsWith(`${root}/`)) : -1;
    if (index < 0) return path;
    const below = relative(roots[index] ?? '', path);
    return `${base}/${index}${below && '/'}${below}`;
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    for (const child of [this.#slirp, this.#holder]) {
      child.ref();
      child.kill('SIGKILL');
    }
    await Promise.all([ended(this.#slirp), ended(this.#holder)]);
  }
}

async function startHolder({ programs, asRoot, roots, base }: PlaceOptions): Promise<ChildProcess> {
  const kinds = asRoot
    ? ['--mount', '--propagation', 'slave', '--net']
    : ['--user', '--map-root-user', '--net'];
  const script = enterPlaceScript(asRoot ? { roots, base } : null);
  const child = spawn(programs.unshare, [...kinds, '--', '/bin/sh', '-c', script], {
    env: { PATH: SYSTEM_PATH },
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe'],
    // A Ctrl-C at the terminal is the runner's to hear; it lets steps end in order.
    detached: true,
  });
  await said(child, child.stdout, 'ready', 'the network namespace could not be made');
  return child;
}

async function startSlirp({ programs }: PlaceOptions, holder: ChildProcess): Promise<ChildProcess> {
  const options = [
    '--configure',
    '--mtu=65520',
    '--disable-host-loopback',
    '--enable-sandbox',
    '--enable-seccomp',
  ];
  const child = spawn(
    programs.slirp4netns,
    [...options, '--ready-fd=3', '--exit-fd=4', String(holder.pid), 'tap0'],
    { env: {}, cwd: '/', stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'], detached: true },
  );
  await said(child, child.stdio[3] as Readable, '1', 'slirp4netns could not start');
  return child;
}

/** Waits until the child says so on the stream; otherwise kills it and throws with its last words. */
async function said(child: ChildProcess, stream: Readable, word: string, otherwise: string): Promise<void> {
  let heard = '';
  let complaint = '';
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('it took too long')), OPEN_MS);
  stream.setEncoding('utf8').on('data', (text) => {
    heard += text;
    if (heard.startsWith(word)) resolve();
  });
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    complaint = (complaint + text).slice(-2048);
  });
  child.once('error', reject);
  child.once('close', (code) => reject(new Error(complaint.trim() || `it exited with ${code}`)));
  try {
    await promise;
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${otherwise}: ${(error as Error).message}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  release(child);
}

/** Lets the runner's process end without `close`: then the pipes close, and the child ends by that. */
function release(child: ChildProcess): void {
  child.unref();
  for (const stream of child.stdio) (stream as Socket | null)?.unref();
}
