/** A part of the log: what one step wrote, or what came before the first. */
export interface Section {
  /** Index of the step; -1: what came before the first, such as the checkout. */
  step: number;
  /** Its first line; one past the log's last while it has written nothing. */
  first: number;
}

export type Row = { kind: 'head'; section: number } | { kind: 'line'; line: number; section: number };

interface Placed {
  first: number;
  last: number;
  isFolded: boolean;
  /** Row of its head, or of its first line where it has none. */
  row: number;
}

/**
 * The rows that are shown: for each section its head, and below it its lines unless it is folded. A log without steps is one
 * section without a head. Any row is found at once, whatever the number of lines.
 */
export class Rows {
  readonly count: number;
  /** Rows that are heads. */
  readonly heads: readonly number[];
  readonly #placed: Placed[] = [];

  /** `sections` in order, each beginning no earlier than the one before; `folded` holds steps' indexes. */
  constructor(sections: readonly Section[], total: number, folded: ReadonlySet<number>) {
    const hasHeads = sections.length > 0;
    const parts = hasHeads ? sections : [{ step: -1, first: 1 }];
    let row = 0;
    parts.forEach(({ step, first }, at) => {
      const last = Math.max(first - 1, Math.min(total, (parts[at + 1]?.first ?? total + 1) - 1));
      const isFolded = hasHeads && folded.has(step);
      this.#placed.push({ first, last, isFolded, row });
      row += (hasHeads ? 1 : 0) + (isFolded ? 0 : last - first + 1);
    });
    this.count = row;
    this.heads = hasHeads ? this.#placed.map((placed) => placed.row) : [];
  }

  at(row: number): Row {
    const section = this.#lastAtMost('row', row);
    const { first, row: start } = this.#get(section);
    if (this.#heads > 0 && row === start) return { kind: 'head', section };
    return { kind: 'line', line: first + row - start - this.#heads, section };
  }

  /** The row of a line; where it is folded away, that of its section's head. */
  ofLine(line: number): number {
    const section = this.sectionOf(line);
    const { first, last, isFolded, row } = this.#get(section);
    if (isFolded) return row;
    return row + this.#heads + Math.max(0, Math.min(line, last) - first);
  }

  ofHead(section: number): number {
    return this.#get(section).row;
  }

  /** The section that a line belongs to. */
  sectionOf(line: number): number {
    return this.#lastAtMost('first', line);
  }

  /** First and last line of a section; none where the last is less than the first. */
  linesOf(section: number): { first: number; last: number } {
    const { first, last } = this.#get(section);
    return { first, last };
  }

  isFolded(section: number): boolean {
    return this.#get(section).isFolded;
  }

  /** Heads of one section. */
  get #heads(): 0 | 1 {
    return this.heads.length > 0 ? 1 : 0;
  }

  #get(section: number): Placed {
    return this.#placed[section] ?? { first: 1, last: 0, isFolded: false, row: 0 };
  }

  #lastAtMost(field: 'row' | 'first', most: number): number {
    return Math.max(
      0,
      this.#placed.findLastIndex((section) => section[field] <= most),
    );
  }
}
