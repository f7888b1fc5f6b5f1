import type { GrowthListener } from './log.store.ts';

/** Who wants to know that a log has grown. */
export class Growth {
  readonly #listeners = new Set<GrowthListener>();

  listen(listener: GrowthListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(...grown: Parameters<GrowthListener>): void {
    for (const listener of this.#listeners) listener(...grown);
  }
}
