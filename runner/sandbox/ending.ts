import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { processState } from '../process.ts';
import type { Text } from './run-in-place.ts';
import type { SandboxSpec } from './sandbox.ts';

/** How a sandbox's outer process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The program could not even be started. */
  error: Error | null;
}

/**
 * A sandbox's way to its end. Three processes matter, each the parent of the next: bubblewrap outside (our child), the shell
 * that is the first process inside, and the step's program. TERM goes to the step's process group. When the first process
 * inside ends, the kernel kills all others in there; bubblewrap then has nothing to wait for and ends last.
 */
export class Ending {
  /** Resolves when no process of the sandbox is left. */
  readonly over: Promise<Exit>;
  #killed = false;
  #first: { pid: number; startTime: string } | null = null;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, jsonStatus: Readable, status: Text, spec: SandboxSpec) {
    this.#child = child;
    const firstKnown = this.#listen(jsonStatus);
    let grace: NodeJS.Timeout | undefined;
    const end = async () => {
      grace = setTimeout(() => this.kill(), spec.killGraceMs);
      await firstKnown;
      if (await status.says('begun')) await this.#terminate();
    };
    if (spec.signal.aborted) void end();
    else spec.signal.addEventListener('abort', end, { once: true });
    this.over = this.#wait(firstKnown).finally(() => {
      clearTimeout(grace);
      spec.signal.removeEventListener('abort', end);
    });
  }

  /** True when the whole sandbox had to be killed. */
  get killed(): boolean {
    return this.#killed;
  }

  kill(): void {
    this.#killed = true;
    const pid = this.#stillThere() ? this.#first?.pid : undefined;
    if (pid !== undefined) kill(pid, 'SIGKILL');
    else this.#child.kill('SIGKILL');
  }

  async #wait(firstKnown: Promise<void>): Promise<Exit> {
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.#child.once('error', (error) => resolve({ code: null, signal: null, error }));
    this.#child.once('exit', (code, signal) => resolve({ code, signal, error: null }));
    const exit = await promise;
    await firstKnown;
    // When bubblewrap itself was killed, the kernel is still killing what is inside.
    while (this.#stillThere()) await new Promise((again) => setTimeout(again, 1));
    return exit;
  }

  /** `{"child-pid": N}` comes as soon as the first process inside exists. */
  async #listen(jsonStatus: Readable): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let text = '';
    jsonStatus.setEncoding('utf8').on('data', (part) => {
      text += part;
      const pid = Number(/"child-pid":\s*(\d+)\D/.exec(text)?.[1] ?? 0);
      if (pid === 0 || this.#first) return;
      this.#first = { pid, startTime: processState(pid)?.startTime ?? '' };
      resolve();
    });
    jsonStatus.once('close', resolve).on('error', () => {});
    await promise;
  }

  /** A process that is only waiting to be reaped has let go of everything, its whole namespace included. */
  #stillThere(): boolean {
    if (!this.#first) return false;
    const now = processState(this.#first.pid);
    return now !== null && now.startTime === this.#first.startTime && now.state !== 'Z' && now.state !== 'X';
  }

  /**
   * To the process groups of the first process's children, orphans among them. The first one itself ignores TERM; between
   * its commands it has no child for a moment, and the step that it is about to start must not miss the signal.
   */
  async #terminate(): Promise<void> {
    while (this.#first && this.#stillThere()) {
      const children = childrenOf(this.#first.pid)
        .map(processState)
        .filter((child) => child !== null && child.state !== 'Z');
      const groups = new Set(children.map((child) => child?.group ?? 0).filter((group) => group > 1));
      for (const group of groups) kill(-group, 'SIGTERM');
      if (groups.size > 0) return;
      await new Promise((again) => setTimeout(again, 1));
    }
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended in between, or nothing is left of the group but what is not ours.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
