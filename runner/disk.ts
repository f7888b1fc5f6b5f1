import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Mirrors } from './checkout/mirrors.ts';

/** How often a full disk is looked at again. */
const LOOK_AGAIN_MS = 5000;

/**
 * Keeps room for the next job: below the mark the mirrors that were used longest ago go, since they can be fetched again.
 * When that does not do, no job is taken until there is room, and the runner's log says so once.
 */
export class Disk {
  readonly #path: string;
  readonly #least: number;
  readonly #mirrors: Mirrors;
  readonly #log: Logger;
  #isFull = false;

  constructor(path: string, least: number, o: { mirrors: Mirrors; log: Logger }) {
    this.#path = path;
    this.#least = least;
    this.#mirrors = o.mirrors;
    this.#log = o.log;
  }

  /** Resolves when there is room. Throws the signal's reason when it is aborted meanwhile. */
  async room(signal: AbortSignal): Promise<void> {
    while (!(await this.#hasRoom())) {
      const project = await this.#mirrors.removeOldest();
      if (project !== null) this.#log.info(`removed the mirror of ${project} to make room`);
      else await this.#wait(signal);
    }
    if (this.#isFull) this.#log.info('there is disk enough again: taking jobs');
    this.#isFull = false;
  }

  async #hasRoom(): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.#path);
    return bavail * bsize >= this.#least;
  }

  async #wait(signal: AbortSignal): Promise<void> {
    if (!this.#isFull) {
      const mib = Math.round(this.#least / 1024 ** 2);
      this.#log.warn(`less than ${mib} MiB are free for ${this.#path}: no job is taken until there is more`);
    }
    this.#isFull = true;
    await sleep(LOOK_AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
