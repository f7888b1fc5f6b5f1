/** What a server's waiting runners are to whoever brings word to them. A kind is a runner's set of labels, as JSON. */
export interface Waiting {
  /** Tries for everybody who waits here; resolves when that is decided. */
  serve(): Promise<void>;
  /** The kinds of runners that wait here. */
  kinds(): ReadonlySet<string>;
  /** The kinds of runners, wherever they may wait, for which there is something to claim. */
  claimable(): Promise<readonly string[]>;
}

/**
 * Brings word that there may be something to claim to the servers where runners wait for it. Hints only, which may be lost,
 * doubled or late: what is claimed, by whom and in which order is decided in the database, and each server looks there by
 * itself every few seconds.
 */
export interface Wake extends AsyncDisposable {
  start(waiting: Waiting): void;
  /** Call it after the commit. Returns at once, whatever is away. */
  wake(): void;
  /** A runner of that kind begins to wait here. */
  waits(kind: string): void;
}

/** For one server: whoever waits, waits here. */
export class WakeHere implements Wake {
  #waiting: Waiting | undefined;

  start(waiting: Waiting): void {
    this.#waiting = waiting;
  }

  wake(): void {
    void this.#waiting?.serve();
  }

  waits(): void {
    // Whoever begins to wait has just been tried for.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting = undefined;
  }
}
