/** What a try came to: something, nothing for anybody of this kind, or nothing for this one only. */
export type Taken<Got> = { got: Got } | 'nothing' | 'not-for-you';

/** Those who wait for something to do, first come first served, each tried only when something may have come. */
export class Line<Ask extends { kind: string }, Got> {
  readonly #take: (ask: Ask) => Promise<Taken<Got>>;
  #waiters: Waiter<Ask, Got>[] = [];
  #isServing = false;
  #served: Promise<void> = Promise.resolve();
  #again = false;

  /** `take` tries for one. Those of one `kind` can take the same things, so that `nothing` in a round holds for all of it. */
  constructor(take: (ask: Ask) => Promise<Taken<Got>>) {
    this.#take = take;
  }

  get length(): number {
    return this.#waiters.length;
  }

  /** Of whom there is somebody who waits. */
  kinds(): Set<string> {
    return new Set(this.#waiters.filter(({ leaving }) => !leaving).map(({ ask }) => ask.kind));
  }

  /** Waits for its turn: null after `waitMs`, when `signal` aborts, or when dismissed. */
  wait(ask: Ask, o: { waitMs: number; signal: AbortSignal }): Promise<Got | null> {
    const { promise, resolve, reject } = Promise.withResolvers<Got | null>();
    const waiter: Waiter<Ask, Got> = { ask, resolve, reject, taking: false, leaving: false };
    const leave = () => this.#leave(waiter);
    const timer = setTimeout(leave, o.waitMs);
    o.signal.addEventListener('abort', leave, { once: true });
    this.#waiters.push(waiter);
    if (o.signal.aborted) leave();
    void this.serve();
    return promise.finally(() => {
      clearTimeout(timer);
      o.signal.removeEventListener('abort', leave);
    });
  }

  /** Something may have come. One round runs at a time; a call during a round leads to one more. Resolves after the last. */
  serve(): Promise<void> {
    this.#again = true;
    if (!this.#isServing) {
      this.#isServing = true;
      this.#served = this.#rounds();
    }
    return this.#served;
  }

  /** Sends away those that `who` is true for. */
  dismiss(who: (ask: Ask) => boolean): void {
    for (const waiter of this.#waiters.filter(({ ask }) => who(ask))) this.#leave(waiter);
  }

  async #rounds(): Promise<void> {
    try {
      while (this.#again) {
        this.#again = false;
        const refused = new Set<string>();
        for (const waiter of [...this.#waiters]) {
          if (waiter.leaving || refused.has(waiter.ask.kind)) continue;
          if ((await this.#serveOne(waiter)) === 'nothing') refused.add(waiter.ask.kind);
        }
      }
    } finally {
      // In the same breath as the last look at `#again`: a call in between would be lost.
      this.#isServing = false;
    }
  }

  async #serveOne(waiter: Waiter<Ask, Got>): Promise<Taken<Got> | 'failed'> {
    waiter.taking = true;
    try {
      const taken = await this.#take(waiter.ask);
      waiter.taking = false;
      if (typeof taken === 'object') this.#send(waiter, taken.got);
      else if (waiter.leaving) this.#send(waiter, null);
      return taken;
    } catch (error) {
      this.#remove(waiter);
      waiter.reject(error);
      return 'failed';
    }
  }

  /** Whoever is just being served stays until that is decided: what was taken for him must reach him. */
  #leave(waiter: Waiter<Ask, Got>): void {
    waiter.leaving = true;
    if (!waiter.taking) this.#send(waiter, null);
  }

  #send(waiter: Waiter<Ask, Got>, got: Got | null): void {
    this.#remove(waiter);
    waiter.resolve(got);
  }

  #remove(waiter: Waiter<Ask, Got>): void {
    this.#waiters = this.#waiters.filter((other) => other !== waiter);
  }
}

interface Waiter<Ask, Got> {
  readonly ask: Ask;
  readonly resolve: (got: Got | null) => void;
  readonly reject: (error: unknown) => void;
  taking: boolean;
  leaving: boolean;
}
