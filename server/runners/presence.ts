import { Refusal } from '../http/refusal.ts';

/**
 * Which runners stand here with a request that waits for news, in this process. The database stays the truth of who holds
 * what; this only says whom to tell at once.
 */
export class Presence {
  readonly #standing = new Map<string, Set<() => void>>();
  readonly #told = new Map<string, Set<string>>();
  #closed = false;

  /** Stands until `waitMs` have passed, `signal` aborts, or `notice` is called for that runner. */
  async stand(runnerId: string, o: { waitMs: number; signal: AbortSignal }): Promise<void> {
    if (this.#closed || o.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const standing = this.#standing.get(runnerId) ?? new Set();
    this.#standing.set(runnerId, standing.add(resolve));
    const timer = setTimeout(resolve, o.waitMs);
    const leave = () => resolve();
    o.signal.addEventListener('abort', leave);
    await promise;
    o.signal.removeEventListener('abort', leave);
    clearTimeout(timer);
    standing.delete(resolve);
    if (standing.size === 0) this.#standing.delete(runnerId);
  }

  isStanding(runnerId: string): boolean {
    return this.#standing.has(runnerId);
  }

  /** There may be news for that runner: it looks again. */
  notice(runnerId: string): void {
    for (const resolve of this.#standing.get(runnerId) ?? []) resolve();
  }

  /**
   * What this runner was told already (attempts to cancel or to forget), so that it is told at once only once and stands
   * quietly while it obeys. `held` bounds the memory: what it holds no more is forgotten.
   */
  told(runnerId: string, held: ReadonlySet<string>): Set<string> {
    const told = new Set([...(this.#told.get(runnerId) ?? [])].filter((attempt) => held.has(attempt)));
    this.#told.set(runnerId, told);
    return told;
  }

  forget(runnerId: string): void {
    this.#told.delete(runnerId);
  }

  /** Lets everybody go, and nobody stand again. */
  close(): void {
    this.#closed = true;
    for (const runnerId of this.#standing.keys()) this.notice(runnerId);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** A request that would be answered at once, for want of somebody to wait with, would be sent again at once. */
  refuseWhenClosed(): void {
    if (this.#closed)
      throw new Refusal(503, 'unavailable', 'This server is stopping: try again in a moment.');
  }
}
