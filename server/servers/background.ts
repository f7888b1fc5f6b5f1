/** Looks for its work in the database and does it. Safe to be called twice, at two servers at once, and after one that died half-way. */
export type BackgroundWork = () => void;

/**
 * Work that nobody waits for, by name (`plan`). What there is to do is in the database: a call is a hint that may be lost or
 * doubled, and each server looks by itself every few seconds.
 */
export interface Background extends AsyncDisposable {
  /** What is done under that name, at every server. Before `start`. */
  on(name: string, work: BackgroundWork): void;
  start(): void;
  /** There may be work of that name: some server, perhaps this, looks soon. Call it after the commit; returns at once. */
  wake(name: string): void;
  /** Looks here for work of every name. */
  look(): void;
}

/** For one server: whatever there is to do is done here. */
export class BackgroundHere implements Background {
  readonly #works = new Map<string, BackgroundWork>();
  #isStarted = false;

  on(name: string, work: BackgroundWork): void {
    this.#works.set(name, work);
  }

  start(): void {
    this.#isStarted = true;
    this.look();
  }

  wake(name: string): void {
    if (this.#isStarted) this.#works.get(name)?.();
  }

  look(): void {
    for (const name of this.#works.keys()) this.wake(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStarted = false;
  }
}
