/**
 * What one server at a time does for all, by name. A hold keeps servers from doing the same work twice, nothing more: it may
 * be lost while the work is under way, whose effects are therefore recorded by conditional updates.
 */
export interface Holds {
  /** Does it here unless somebody is about it, here or at another server: false then. What it throws is thrown. */
  with(name: string, work: () => Promise<void>): Promise<boolean>;
}

/** For one server. */
export class HoldsHere implements Holds {
  readonly #held = new Set<string>();

  async with(name: string, work: () => Promise<void>): Promise<boolean> {
    if (this.#held.has(name)) return false;
    this.#held.add(name);
    try {
      await work();
    } finally {
      this.#held.delete(name);
    }
    return true;
  }
}
