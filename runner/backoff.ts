import { setTimeout as sleep } from 'node:timers/promises';

/** Waits that double from one to another, each shortened by a random part of up to half, so that runners do not march in step. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #nextMs: number;

  constructor(firstMs: number, longestMs: number) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
    this.#nextMs = firstMs;
  }

  /** Call after a success. */
  reset(): void {
    this.#nextMs = this.#firstMs;
  }

  /** Throws the signal's reason when it is aborted meanwhile. */
  async wait(signal: AbortSignal): Promise<void> {
    const ms = this.#nextMs * (1 - Math.random() / 2);
    this.#nextMs = Math.min(this.#longestMs, this.#nextMs * 2);
    await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
