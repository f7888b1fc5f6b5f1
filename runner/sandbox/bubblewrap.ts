import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, readProgram } from '../process.ts';
import { advice } from './advice.ts';
import type { SystemFiles } from './bubblewrap-arguments.ts';
import { closeInheritedDescriptors } from './descriptors.ts';
import { makeOutputPipe } from './output-pipe.ts';
import { Place, type PlacePrograms } from './place.ts';
import { chooseBase } from './place-script.ts';
import { probeSandbox } from './probe.ts';
import { runInPlace } from './run-in-place.ts';
import type { Sandbox, SandboxOptions, SandboxResult, SandboxSpec, Slot } from './sandbox.ts';
import { slotOwner } from './slot-owner.ts';
import { systemCallFilter } from './system-calls.ts';
import { systemFiles } from './system-files.ts';
import { walkableRoots } from './walkable-roots.ts';

/** What a machine lacks for steps to be confined; the message says what to do about it. */
export class SandboxUnavailable extends Error {}

/** Finds the programs and writes what sandboxes share. Throws `SandboxUnavailable`; whether it works is `probe`'s to say. */
export async function openBubblewrap(options: SandboxOptions): Promise<Sandbox> {
  const programs = {
    bwrap: needed('bwrap', 'bubblewrap'),
    slirp4netns: needed('slirp4netns', 'slirp4netns'),
    nsenter: needed('nsenter', 'util-linux'),
    unshare: needed('unshare', 'util-linux'),
  };
  needed('ip', 'iproute2');
  const version = /\d+(\.\d+)*/.exec((await readProgram([programs.bwrap, '--version'])).output)?.[0] ?? '0';
  if (version.localeCompare('0.8', 'en', { numeric: true }) < 0)
    throw new SandboxUnavailable(
      `bubblewrap ${version} is too old: 0.8.0 is the first that can forbid nested user namespaces.`,
    );
  return new Bubblewrap(programs, version, options);
}

function needed(name: string, debianPackage: string): string {
  const path = findProgram(name);
  if (path) return path;
  throw new SandboxUnavailable(
    `${name} was not found: install the package ${debianPackage} (apt-get install ${debianPackage}).`,
  );
}

class Bubblewrap implements Sandbox {
  readonly #programs: PlacePrograms & { bwrap: string };
  readonly #version: string;
  readonly #stateDir: string;
  readonly #roots: string[];
  readonly #slots = new Set<BubblewrapSlot>();
  readonly #system: SystemFiles;
  readonly #seccompFile: string | null;
  readonly #uidMap = readFileSync('/proc/self/uid_map', 'latin1');
  readonly #asRoot = process.getuid?.() === 0;

  constructor(programs: PlacePrograms & { bwrap: string }, version: string, options: SandboxOptions) {
    closeInheritedDescriptors();
    this.#programs = programs;
    this.#version = version;
    this.#stateDir = options.stateDir;
    mkdirSync(options.stateDir, { recursive: true });
    // Steps' users pass through to the files of /etc, whatever the umask.
    chmodSync(options.stateDir, 0o711);
    this.#system = systemFiles(join(options.stateDir, 'etc'), options.roots);
    this.#seccompFile = writeFilter(join(options.stateDir, 'system-calls.bpf'));
    this.#roots = [...options.roots, options.stateDir];
  }

  describe(): string {
    return `bubblewrap ${this.#version}`;
  }

  probe(): Promise<{ ok: true } | { ok: false; why: string }> {
    return probeSandbox(this, this.#stateDir);
  }

  async openSlot(number: number): Promise<Slot> {
    const roots = walkableRoots(this.#roots);
    const base = chooseBase(roots, existsSync);
    if (this.#asRoot && base === null)
      throw new SandboxUnavailable(
        "none of /mnt, /media, /srv, /opt and /home is free of the runner's data and mounts.",
      );
    const owner = this.#asRoot ? slotOwner(number, this.#uidMap) : null;
    const outputPipe = join(this.#stateDir, `slot-${number}.output`);
    await makeOutputPipe(outputPipe, owner);
    const options = {
      programs: this.#programs,
      asRoot: this.#asRoot,
      owner,
      roots,
      base: base ?? '',
    };
    const slot = new BubblewrapSlot(number, owner, outputPipe, () => Place.open(options));
    await slot.place();
    this.#slots.add(slot);
    return slot;
  }

  async run(spec: SandboxSpec): Promise<SandboxResult> {
    const slot = spec.slot;
    if (!(slot instanceof BubblewrapSlot)) throw new TypeError('the slot is of another sandbox');
    return await slot.use((place) =>
      runInPlace({
        place,
        bwrap: this.#programs.bwrap,
        system: this.#system,
        seccompFile: this.#seccompFile,
        outputPipe: slot.outputPipe,
        spec,
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all([...this.#slots].map((slot) => slot.close()));
    this.#slots.clear();
  }
}

function writeFilter(path: string): string | null {
  const filter = systemCallFilter(process.arch);
  if (filter) writeFileSync(path, filter);
  return filter ? path : null;
}

class BubblewrapSlot implements Slot {
  readonly number: number;
  readonly owner: { uid: number; gid: number } | null;
  readonly outputPipe: string;
  readonly #open: () => Promise<Place>;
  #place: Place | null = null;
  #inUse = false;

  constructor(number: number, owner: Slot['owner'], outputPipe: string, open: () => Promise<Place>) {
    this.number = number;
    this.owner = owner;
    this.outputPipe = outputPipe;
    this.#open = open;
  }

  /** The warm place, or a new one when one of its processes was killed. */
  async place(): Promise<Place> {
    if (this.#place?.isOpen) return this.#place;
    await this.#place?.close();
    try {
      this.#place = await this.#open();
      return this.#place;
    } catch (error) {
      throw new SandboxUnavailable(advice((error as Error).message), { cause: error });
    }
  }

  async use(work: (place: Place) => Promise<SandboxResult>): Promise<SandboxResult> {
    if (this.#inUse) throw new Error(`slot ${this.number} already runs a sandbox`);
    this.#inUse = true;
    try {
      const place = await this.place().catch((error: Error) => error.message);
      return typeof place === 'string' ? { kind: 'broken', why: place } : await work(place);
    } finally {
      this.#inUse = false;
    }
  }

  async close(): Promise<void> {
    await this.#place?.close();
    this.#place = null;
  }
}
