/** Measured rows that are remembered at most: what was scrolled past long ago is guessed again. */
const MOST_MEASURED = 20_000;

/**
 * Where rows are, in pixels: all have the same height but for those that were measured to have another, such as wrapped lines.
 * Costs nothing for rows that were never looked at.
 */
export class RowHeights {
  readonly rowHeight: number;
  /** Rows of another height, in order, and what they have more than the usual. */
  #rows: number[] = [];
  #extra: number[] = [];
  /** Sum of the extras before each of them. */
  #sums: number[] | null = null;

  constructor(rowHeight: number) {
    this.rowHeight = rowHeight;
  }

  heightOf(row: number): number {
    const at = this.#place(row);
    return this.rowHeight + (this.#rows[at] === row ? (this.#extra[at] ?? 0) : 0);
  }

  /** Pixels above a row. */
  offsetOf(row: number): number {
    const sums = this.#summed();
    return row * this.rowHeight + (sums[this.#place(row)] ?? 0);
  }

  /** The row at a height of `pixels`, of `count`. */
  rowAt(pixels: number, count: number): number {
    let low = 0;
    let high = Math.max(1, count);
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.offsetOf(middle) <= pixels) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Notes that a row is `pixels` high; returns whether that is news. */
  measure(row: number, pixels: number): boolean {
    const extra = pixels - this.rowHeight;
    const at = this.#place(row);
    const isKnown = this.#rows[at] === row;
    if (isKnown ? this.#extra[at] === extra : extra === 0) return false;
    if (isKnown) this.#extra[at] = extra;
    else {
      if (this.#rows.length >= MOST_MEASURED) this.forget();
      const place = this.#place(row);
      this.#rows.splice(place, 0, row);
      this.#extra.splice(place, 0, extra);
    }
    this.#sums = null;
    return true;
  }

  forget(): void {
    this.#rows = [];
    this.#extra = [];
    this.#sums = null;
  }

  /** Index of the first measured row that is not before `row`. */
  #place(row: number): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#rows[middle] ?? 0) < row) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #summed(): number[] {
    if (this.#sums === null) {
      let sum = 0;
      this.#sums = [0];
      for (const extra of this.#extra) {
        sum += extra;
        this.#sums.push(sum);
      }
    }
    return this.#sums;
  }
}
