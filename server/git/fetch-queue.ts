import { Refusal } from '../http/refusal.ts';
import { MirrorFault } from './fault.ts';
import type { Wants } from './wants.ts';

/** The names among the wants that the upstream does not have, or does not give. */
export type Refused = ReadonlySet<string>;

/** One fetch under way, as its worker sees it. */
export interface Turn {
  wants: Readonly<Wants>;
  /** Aborted when nobody waits for this fetch any more, or when the queue is closed. */
  signal: AbortSignal;
  /** From now on this fetch goes on even when nobody waits for it: a first clone, which must end once. */
  persist(): void;
}

export interface Patience {
  signal?: AbortSignal | undefined;
  timeoutMs: number;
  /** What the time-out's sentence names. */
  what: string;
}

/**
 * The fetches of one mirror, one at a time. Callers that come while one is under way wait for the *next* one together,
 * with their wishes united: what they ask about may be newer than what the current fetch was told.
 */
export class FetchQueue {
  readonly #work: (turn: Turn) => Promise<Refused>;
  #next: Group | null = null;
  #current: Group | null = null;
  #chain: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(work: (turn: Turn) => Promise<Refused>) {
    this.#work = work;
  }

  /** Settles with the fetch that began after this call. The caller's own patience ends only its own waiting. */
  ask(wants: Wants, patience: Patience): Promise<Refused> {
    if (this.#closed) return Promise.reject(stopping());
    const open = this.#next && !this.#next.controller.signal.aborted ? this.#next : null;
    const group = open ?? this.#enqueue();
    group.wants.all ||= wants.all;
    for (const name of wants.names) group.wants.names.add(name);
    return wait(group, patience);
  }

  /** Does `work` while no fetch runs. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#chain.then(work);
    this.#chain = done.catch(() => {});
    return done;
  }

  /** Ends what runs, refuses what comes. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#next?.controller.abort(stopping());
    this.#current?.controller.abort(stopping());
    await this.#chain;
  }

  #enqueue(): Group {
    const group = new Group();
    this.#next = group;
    void this.alone(async () => {
      if (this.#next === group) this.#next = null;
      this.#current = group;
      const { signal } = group.controller;
      signal.throwIfAborted();
      const persist = () => {
        group.persists = true;
      };
      return await this.#work({ wants: group.wants, signal, persist });
    }).then(group.done.resolve, group.done.reject);
    return group;
  }
}

/** Why a fetch ends, or does not begin, when the server does. */
export function stopping(): Refusal {
  return new Refusal(503, 'unavailable', 'The server is stopping. Try again when it is back.');
}

class Group {
  readonly wants: Wants = { all: false, names: new Set() };
  readonly controller = new AbortController();
  readonly done = Promise.withResolvers<Refused>();
  waiting = 0;
  persists = false;

  constructor() {
    // Each waiter hears of a failure by itself; without any it is nobody's.
    this.done.promise.catch(() => {});
  }
}

async function wait(group: Group, patience: Patience): Promise<Refused> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(patience.signal?.reason);
  const timer = setTimeout(() => {
    const seconds = Math.round(patience.timeoutMs / 1000);
    reject(new MirrorFault('timeout', `Fetching ${patience.what} was not done within ${seconds} s.`));
  }, patience.timeoutMs);
  patience.signal?.addEventListener('abort', onAbort, { once: true });
  if (patience.signal?.aborted) onAbort();
  group.waiting += 1;
  try {
    return await Promise.race([group.done.promise, promise]);
  } finally {
    clearTimeout(timer);
    patience.signal?.removeEventListener('abort', onAbort);
    group.waiting -= 1;
    if (group.waiting === 0 && !group.persists) group.controller.abort(new Error('Nobody waits for it.'));
  }
}
