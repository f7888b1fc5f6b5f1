import type { LineRange } from './line-link.ts';
import type { ShownLine } from './log.svelte.ts';
import type { Rows } from './sections.ts';

/** A row as it is drawn; those with the same key are the same element. */
export type DrawnRow = DrawnHead | DrawnLine;

interface DrawnHead {
  key: string;
  top: number;
  head: number;
}

interface DrawnLine {
  key: string;
  top: number;
  line: number;
  /** null: not here yet. */
  shown: ShownLine | null;
}

export interface DrawOptions {
  /** Rows to be drawn; `end` is one after the last. */
  window: { first: number; end: number };
  rows: Rows;
  shown(first: number, last: number): (ShownLine | null)[];
  /** Where a row is, pixels. */
  topOf(row: number): number;
  /** Whether somebody has selected text of the rows: then their elements stay theirs. */
  isSelected: boolean;
}

/**
 * What is drawn of the rows, and which lines that takes. While one scrolls, a line keeps its element. Where none of the lines
 * drawn before is drawn again, as in a flood or after a jump, the elements are given to the new lines: that costs a third
 * of making others.
 */
export class DrawnRows {
  #before: LineRange | null = null;
  /** Taken from a line's number to have its key. */
  #base = 0;
  #drawn = new Map<string, DrawnRow>();

  draw({ window, rows, shown, topOf, isSelected }: DrawOptions): { rows: DrawnRow[]; ranges: LineRange[] } {
    const ranges = rangesOf(window, rows);
    this.#giveElements(ranges, isSelected);
    const drawn: DrawnRow[] = [];
    let row = window.first;
    for (const part of ranges) {
      if ('head' in part) drawn.push({ key: `head ${part.head}`, top: topOf(row), head: part.head });
      else {
        shown(part.first, part.last).forEach((line, index) => {
          const number = part.first + index;
          const key = `${number - this.#base}`;
          drawn.push(this.#asBefore({ key, top: topOf(row + index), line: number, shown: line }));
        });
      }
      row += 'head' in part ? 1 : part.last - part.first + 1;
    }
    this.#drawn = new Map(drawn.map((row) => [row.key, row]));
    return { rows: drawn, ranges: ranges.filter((part) => 'first' in part) };
  }

  /** The same object as last time where nothing of it changed: then nothing of it is looked at. */
  #asBefore(row: DrawnLine): DrawnRow {
    const before = this.#drawn.get(row.key);
    const isSame =
      before &&
      'line' in before &&
      before.line === row.line &&
      before.top === row.top &&
      before.shown === row.shown;
    return isSame ? before : row;
  }

  #giveElements(parts: readonly Part[], isSelected: boolean): void {
    const ranges = parts.filter((part) => 'first' in part);
    const [first] = ranges;
    const last = ranges.at(-1);
    if (!first || !last) return;
    const now = { first: first.first, last: last.last };
    const before = this.#before;
    if (before && !isSelected && (now.first > before.last || now.last < before.first))
      this.#base += now.first - before.first;
    this.#before = now;
  }
}

type Part = { head: number } | LineRange;

function rangesOf({ first, end }: DrawOptions['window'], rows: Rows): Part[] {
  const parts: Part[] = [];
  for (let row = first; row < end; ) {
    const at = rows.at(row);
    if (at.kind === 'head') {
      parts.push({ head: at.section });
      row += 1;
    } else {
      const last = Math.min(rows.linesOf(at.section).last, at.line + end - 1 - row);
      parts.push({ first: at.line, last });
      row += last - at.line + 1;
    }
  }
  return parts;
}
