import type { Logger } from 'pino';

/** Work that is done again and again, one round at a time, until it is stopped. What goes wrong in a round is logged. */
export class Rounds {
  readonly #o: { log: Logger; failed: string; work(signal: AbortSignal): Promise<unknown> };
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;

  /** `failed`: what the log says of a round that rejects. `work` is given the signal of `stop`. */
  constructor(o: { log: Logger; failed: string; work(signal: AbortSignal): Promise<unknown> }) {
    this.#o = o;
  }

  get isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** A round every so many milliseconds. */
  every(ms: number): void {
    this.#timer = setInterval(() => void this.go(), ms).unref();
  }

  /** A round now; a call while one is under way is part of that. Never rejects. After `stop` nothing is done. */
  go(): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve();
    this.#round ??= this.#once().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  /** Begins no more, asks the round under way to end, and waits for it. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort(new Error('The server is stopping.'));
    await this.#round;
  }

  async #once(): Promise<void> {
    const { work, log, failed } = this.#o;
    const { signal } = this.#stopping;
    try {
      await work(signal);
    } catch (error) {
      if (!signal.aborted) log.error({ err: error }, failed);
    }
  }
}

/**
 * Does the work for each of them, at most `lanes` at once and in order, until `signal` is aborted. One that fails holds no other back:
 * `failed` is told, unless it failed because of the signal.
 */
export async function inLanes<Item>(
  items: readonly Item[],
  o: { lanes: number; signal: AbortSignal; failed(item: Item, error: unknown): unknown },
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const lane = async () => {
    for (const item of left) {
      if (o.signal.aborted) return;
      try {
        await work(item);
      } catch (error) {
        if (!o.signal.aborted) await o.failed(item, error);
      }
    }
  };
  await Promise.all(Array.from({ length: o.lanes }, lane));
}
