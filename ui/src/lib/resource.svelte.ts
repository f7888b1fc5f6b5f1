import { type Ask, get } from './api.ts';
import { live } from './live.svelte.ts';
import { asProblem, type Problem } from './problem.ts';

/**
 * Something of the API that a component shows: fetched, and fetched again whenever one of its topics changes, without
 * taking away what is shown. Made while a component is set up; ends with it. Both functions may read state.
 */
export class Resource<Answer> {
  #value = $state.raw<Answer | null>(null);
  #problem = $state.raw<Problem | null>(null);
  #address: string | null = null;
  #asking: AbortController | null = null;
  #again = false;
  /** The newest announcement heard of, and the one up to which `value` shows what was announced. */
  #heard = Number.NEGATIVE_INFINITY;
  #shown = Number.NEGATIVE_INFINITY;

  readonly #ask: (address: string, o: Ask) => Promise<Answer>;

  /** `ask` is for what is more than one answer, such as all pages of a list. */
  constructor(
    address: () => string | null,
    topics: () => readonly string[] = () => [],
    ask: (address: string, o: Ask) => Promise<Answer> = get,
  ) {
    this.#ask = ask;
    $effect(() => {
      const wanted = address();
      if (wanted !== this.#address) {
        this.#address = wanted;
        this.#asking?.abort();
        this.#asking = null;
        this.#again = false;
        this.#shown = Number.NEGATIVE_INFINITY;
      }
      if (wanted !== null) void this.refresh();
      return () => this.#asking?.abort();
    });
    $effect(() => {
      const stops = topics().map((topic) => live.watch(topic, (revision) => this.#hear(revision)));
      return () => {
        for (const stop of stops) stop();
      };
    });
  }

  /** null: nothing has come yet. After a change of the address the old value stays until the new one is here. */
  get value(): Answer | null {
    return this.#value;
  }

  /** Why the last try brought nothing; the last value is still there. */
  get problem(): Problem | null {
    return this.#problem;
  }

  /** Shows what is known before the server says it. */
  set value(value: Answer | null) {
    this.#value = value;
  }

  /** Asks now. While an answer is awaited, one further question is kept, not a line of them. */
  async refresh(): Promise<void> {
    if (this.#address === null) return;
    if (this.#asking) {
      this.#again = true;
      return;
    }
    const asking = new AbortController();
    this.#asking = asking;
    const heard = this.#heard;
    let shows: number | null = null;
    try {
      const value = await this.#ask(this.#address, {
        signal: asking.signal,
        shows: (revision) => {
          shows = Math.min(shows ?? revision, revision);
        },
      });
      if (asking.signal.aborted) return;
      this.#value = value;
      this.#problem = null;
      // What was heard of before the question is in the answer, whatever that says of itself.
      this.#shown = Math.max(heard, shows ?? heard);
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#problem = asProblem(error);
      this.#shown = heard;
    } finally {
      if (this.#asking === asking) {
        this.#asking = null;
        if (this.#again || this.#heard > this.#shown) {
          this.#again = false;
          void this.refresh();
        }
      }
    }
  }

  /** Asks again, unless what is shown, or about to be, is at least as new. */
  #hear(revision: number | null): void {
    if (revision === null) {
      // Of another server perhaps, which counts from elsewhere.
      this.#heard = Number.NEGATIVE_INFINITY;
      this.#shown = Number.NEGATIVE_INFINITY;
      void this.refresh();
      return;
    }
    this.#heard = Math.max(this.#heard, revision);
    if (!this.#asking && this.#heard > this.#shown) void this.refresh();
  }
}
