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
      }
      if (wanted !== null) void this.refresh();
      return () => this.#asking?.abort();
    });
    $effect(() => {
      const stops = topics().map((topic) => live.watch(topic, () => void this.refresh()));
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
    try {
      const value = await this.#ask(this.#address, { signal: asking.signal });
      if (asking.signal.aborted) return;
      this.#value = value;
      this.#problem = null;
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#problem = asProblem(error);
    } finally {
      if (this.#asking === asking) {
        this.#asking = null;
        if (this.#again) {
          this.#again = false;
          void this.refresh();
        }
      }
    }
  }
}
