import type { Line } from './log-source.ts';

/** Lines that are fetched, and let go, together. */
export const BLOCK = 256;

/** What a line costs beside its text: the object and its place. */
const LINE_COST = 40;

interface Block {
  lines: (Line | undefined)[];
  cost: number;
}

/** Lines that were fetched, those looked at last. Holds `limit` characters at most, but always the block put last. */
export class LineCache {
  readonly #limit: number;
  /** By number, the one used longest ago first. */
  readonly #blocks = new Map<number, Block>();
  #cost = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(number: number): Line | null {
    return this.#blocks.get(blockOf(number))?.lines[(number - 1) % BLOCK] ?? null;
  }

  put(lines: readonly Line[]): void {
    for (const line of lines) {
      const key = blockOf(line.number);
      const block = this.#blocks.get(key) ?? { lines: new Array<Line | undefined>(BLOCK), cost: 0 };
      const place = (line.number - 1) % BLOCK;
      const cost = line.text.length + LINE_COST - costOf(block.lines[place]);
      block.lines[place] = line;
      block.cost += cost;
      this.#cost += cost;
      this.#blocks.set(key, block);
    }
    const last = lines.at(-1);
    if (last) this.touch(lines[0]?.number ?? last.number, last.number);
    this.#letGo(last ? blockOf(last.number) : -1);
  }

  /** These are being looked at: they go last. */
  touch(first: number, last: number): void {
    for (let key = blockOf(first); key <= blockOf(last); key += 1) {
      const block = this.#blocks.get(key);
      if (!block) continue;
      this.#blocks.delete(key);
      this.#blocks.set(key, block);
    }
  }

  /** Forgets one line, because it has grown. */
  forget(number: number): void {
    const block = this.#blocks.get(blockOf(number));
    const place = (number - 1) % BLOCK;
    const cost = costOf(block?.lines[place]);
    if (!block || cost === 0) return;
    block.lines[place] = undefined;
    block.cost -= cost;
    this.#cost -= cost;
  }

  #letGo(keep: number): void {
    for (const [key, block] of this.#blocks) {
      if (this.#cost <= this.#limit) return;
      if (key === keep) continue;
      this.#blocks.delete(key);
      this.#cost -= block.cost;
    }
  }
}

function blockOf(number: number): number {
  return Math.floor((number - 1) / BLOCK);
}

function costOf(line: Line | undefined): number {
  return line ? line.text.length + LINE_COST : 0;
}
