/**
 * What confines a step. One call of `run` is one sandbox: it starts from nothing, runs one program, and when the promise
 * resolves no process of it is left. What lives on from step to step of an attempt are its three host directories.
 *
 * A first step's checkout runs in the same sandbox, before the step: `prepare`.
 */
import type { Network } from '@reprise/pipelines/model.ts';

/** One of a runner's concurrent places: a warm network of its own and, when the runner is root, a uid of its own. */
export interface Slot {
  /** Counts from 0. */
  readonly number: number;
  /**
   * Who the steps are on the host when the runner is root; `null` when they are the runner's own user. The three
   * directories of an attempt and everything in `writable` must belong to this user before `run`; what is in `readOnly`
   * must be readable by it. Directories on the way must be walkable (mode 0711) from the nearest of `SandboxOptions.roots`
   * down; above that root it does not matter.
   */
  readonly owner: { uid: number; gid: number } | null;
  /** Ends the place's network. Sandboxes that run in it are ended first by their own signals. */
  close(): Promise<void>;
}

export interface Mount {
  /** An absolute host path. It must exist. */
  source: string;
  /** An absolute path inside; below `/workspace`, `/home/build` and `/tmp` it appears in the attempt's directory too. */
  target: string;
}

export interface SandboxSpec {
  slot: Slot;
  /** Host directories of this attempt, mounted writable at `/workspace`, `/home/build` and `/tmp`. */
  workspace: string;
  home: string;
  tmp: string;
  readOnly: Mount[];
  writable: Mount[];
  /** The complete environment of the step, PATH and HOME included. Only the shell's own PWD and the like come on top. */
  env: Record<string, string>;
  /** The step's program and arguments, exec'ed. Visible in the host's process list: nothing secret belongs here. */
  argv: string[];
  /** Where `argv` starts, inside. A directory that does not exist there is the step's failure (code 127 and a sentence). */
  cwd: string;
  network: Network;
  /**
   * Shell text that `/bin/sh` runs in `/workspace` before `argv`, in the same sandbox, with the same environment and
   * `set -e` not set. Its output goes to `onOutput` before any byte of the step's. When it exits 0, `onDone` is called
   * and awaited, between the last byte of it and the first of the step; then its descriptors are closed, so that the
   * step sees 0, 1 and 2 only. Any other code ends the sandbox as `unprepared`, `argv` never starts.
   */
  prepare?: { script: string; onDone(): void | Promise<void> };
  /** Standard output and error of the step, in the order of arrival. The next chunk waits for the promise. */
  onOutput(chunk: Buffer): void | Promise<void>;
  /** Cancel or time-out: TERM to the step's process group, after `killGraceMs` the whole sandbox is killed. */
  signal: AbortSignal;
  killGraceMs: number;
}

export type SandboxResult =
  /** A program ended by signal n inside gives 128 + n, as shells say it. */
  | { kind: 'exited'; code: number }
  /** `prepare` exited with this code; the step never ran. */
  | { kind: 'unprepared'; code: number }
  /** The sandbox as a whole was ended from outside, by `signal` after its grace or by the operator. */
  | { kind: 'signalled'; signal: string }
  /** The sandbox could not start, so nothing of the step ran. Never the user's fault. */
  | { kind: 'broken'; why: string };

export interface Sandbox {
  /** Such as `bubblewrap 0.8.0`. */
  describe(): string;
  /** Runs a real sandbox that looks for what must not be there. `why` says what to do about it. */
  probe(): Promise<{ ok: true } | { ok: false; why: string }>;
  /** Throws only what `onOutput` or `onDone` throw, after the sandbox is gone. An aborted `signal` at the start is a TERM at once. */
  run(spec: SandboxSpec): Promise<SandboxResult>;
  /** Makes a place and its network (some 50 ms); it is then reused by every job that comes to it. */
  openSlot(number: number): Promise<Slot>;
  /** Closes every slot. */
  close(): Promise<void>;
}

export interface SandboxOptions {
  /**
   * Host directories from which mounts come: the runner's data directory and the operator's mounts. When the runner is
   * root, steps' users get to them even where they cannot walk the path (below `/root`).
   */
  roots: string[];
  /** A directory of the runner's own, for the sandbox's synthetic `/etc` and output pipes. Made when missing. */
  stateDir: string;
}
