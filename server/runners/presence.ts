import { Refusal } from '../http/refusal.ts';

/**
 * Which runners stand here with a request that waits for news, in this process. The database stays the truth of who holds
 * what; this only says whom to tell at once.
 */
export class Presence {
  readonly #standing = new Map<string, Set<() => void>>();
  /** How often each was noticed, so that a notice between a look and standing is not lost. */
  readonly #notices = new Map<string, number>();
  readonly #told = new Map<string, Set<string>>();
  #closed = false;

  /** To be asked before looking for news, and given to `stand` afterwards. */
  notices(runnerId: string): number {
    return this.#notices.get(runnerId) ?? 0;
  }

  /** Stands until `waitMs` have passed, `signal` aborts, or that runner is noticed, or was since `notices` were counted. */
  async stand(runnerId: string, o: { waitMs: number; signal: AbortSignal; notices: number }): Promise<void> {
    if (this.#closed || o.signal.aborted || this.notices(runnerId) !== o.notices) return;
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
    this.#notices.set(runnerId, this.notices(runnerId) + 1);
    for (const resolve of this.#standing.get(runnerId) ?? []) resolve();
  }

  /** There may be news for everybody. */
  noticeAll(): void {
    for (const runnerId of this.#standing.keys()) this.notice(runnerId);
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
    this.noticeAll();
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
