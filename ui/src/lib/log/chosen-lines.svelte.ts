import { goto } from '$app/navigation';
import { page } from '$app/state';
import { extend, type LineRange, lineLink, parseLineLink } from './line-link.ts';

/** The lines that the address points at, `#L12-L20`: choosing lines changes the address, and following a link chooses. */
export class ChosenLines {
  readonly #range = $derived(parseLineLink(page.url.hash));
  /** The end that stays while the other is moved. */
  #anchor: number | null = null;
  /** What the address was last seen, or made, to point at. */
  #known: string | null = null;

  get range(): LineRange | null {
    return this.#range;
  }

  /** Lines to lead to: those of an address that was come to, not of one that was made here. Each is given once. */
  arrive(): LineRange | null {
    const { hash } = page.url;
    if (hash === this.#known) return null;
    this.#known = hash;
    return this.#range;
  }

  has(line: number): boolean {
    return this.#range !== null && line >= this.#range.first && line <= this.#range.last;
  }

  /** Chooses one line, or with `extends` all from the one chosen before. */
  choose(line: number, o: { extends: boolean; from?: number }): void {
    if (!o.extends) this.#anchor = line;
    this.#anchor ??= o.from ?? this.#range?.first ?? null;
    this.#set(
      o.extends
        ? extend(this.#range ?? { first: line, last: line }, this.#anchor, line)
        : { first: line, last: line },
    );
  }

  clear(): void {
    this.#anchor = null;
    this.#set(null);
  }

  #set(range: LineRange | null): void {
    this.#known = range ? lineLink(range) : '';
    void goto(this.#known || page.url.pathname + page.url.search, { replace: true, reset: false });
  }
}
