import type { LogMatches } from '@reprise/server/logs/log.api.ts';
import { asProblem, type Problem } from '../problem.ts';
import type { LogSource } from './log-source.ts';

/** The server gives no more at once; who has more matches narrows the search. */
export const MOST_MATCHES = 1000;

/** A search of the whole log, on the server. */
export class LogSearch {
  readonly #source: LogSource;
  #wanted = $state('');
  #answer = $state.raw<LogMatches | null>(null);
  #problem = $state.raw<Problem | null>(null);
  #isBusy = $state(false);
  #place = $state(-1);
  #asking = new AbortController();

  constructor(source: LogSource) {
    this.#source = source;
  }

  /** What was searched last. */
  get wanted(): string {
    return this.#wanted;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  get problem(): Problem | null {
    return this.#problem;
  }

  get matches(): LogMatches['matches'] {
    return this.#answer?.matches ?? [];
  }

  /** Whether there are more than `MOST_MATCHES`. */
  get hasMore(): boolean {
    return this.#answer?.more ?? false;
  }

  /** Which of the matches one is at; -1 before the first. */
  get place(): number {
    return this.#place;
  }

  /** Whether an answer is here. */
  get isDone(): boolean {
    return this.#answer !== null;
  }

  /** Searches, and gives up an older search. An empty text ends searching. */
  async find(wanted: string): Promise<void> {
    this.stop();
    this.#wanted = wanted;
    this.#answer = null;
    this.#problem = null;
    this.#place = -1;
    if (wanted === '') return;
    const asking = new AbortController();
    this.#asking = asking;
    this.#isBusy = true;
    try {
      const answer = await this.#source.search(wanted, MOST_MATCHES, asking.signal);
      if (!asking.signal.aborted) this.#answer = answer;
    } catch (error) {
      if (!asking.signal.aborted) this.#problem = asProblem(error);
    } finally {
      if (this.#asking === asking) this.#isBusy = false;
    }
  }

  /** The line of the next match, or the one before; from the first match at or after `from` where one is at none. */
  step(by: 1 | -1, from: number): number | null {
    const { matches } = this;
    if (matches.length === 0) return null;
    const next = this.#place === -1 ? this.#nearest(by, from) : this.#place + by;
    return this.choose((next + matches.length) % matches.length);
  }

  choose(place: number): number | null {
    this.#place = place;
    return this.matches[place]?.line ?? null;
  }

  stop(): void {
    this.#asking.abort();
    this.#isBusy = false;
  }

  #nearest(by: 1 | -1, from: number): number {
    const after = this.matches.findIndex(({ line }) => line >= from);
    if (by === 1) return after === -1 ? 0 : after;
    return after === -1 ? this.matches.length - 1 : after - 1;
  }
}
