import type { Line } from './log-source.ts';

/** Bytes of one page of what is held. */
const PAGE = 64 * 1024;
/** One place is remembered for so many newlines; the rest is found by looking from there. */
const STRIDE = 64;
const NEWLINE = 10;
/** Arrivals this near to each other, in ms, count as one. */
const SAME_TIME = 5;

export interface TailOptions {
  /** Where the tail begins, bytes. */
  offset: number;
  /** The line that byte belongs to. */
  line: number;
  /** Whether that line began before: then only what follows it can be shown from here. */
  continued: boolean;
  /** When that line's first byte arrived, if that is known. */
  at?: number;
  /** Bytes held at most; older ones are let go, to be fetched when they are looked at. */
  limit: number;
  /** Bytes of one line that are decoded at most. */
  lineCut: number;
}

interface Page {
  /** Of its first byte in the log. */
  offset: number;
  bytes: Uint8Array;
  length: number;
  /** Newlines since the tail's beginning, before this page. */
  newlines: number;
  /** Places in the page of its newlines number 0, STRIDE, 2 * STRIDE, … */
  marks: number[];
  count: number;
}

/**
 * The last bytes of a log that grows: what came live, kept as bytes. Taking a chunk costs a copy and a count of its newlines;
 * a line becomes text only when it is shown.
 */
export class LiveTail {
  readonly #o: TailOptions;
  readonly #pages: Page[] = [];
  #times: { offset: number; at: number }[];
  #end: number;
  /** Where the line that is still being written began, as far as that is held. */
  #lineStart: number;
  #newlines = 0;
  #held = 0;

  constructor(o: TailOptions) {
    this.#o = o;
    this.#end = o.offset;
    this.#lineStart = o.offset;
    this.#times = o.at === undefined ? [] : [{ offset: o.offset, at: o.at }];
  }

  /** The offset that comes next. */
  get end(): number {
    return this.#end;
  }

  /** Lines of the whole log so far, counting a last one without a newline. */
  get total(): number {
    const isOpen = this.#lineStart < this.#end || (this.#o.continued && this.#newlines === 0);
    return this.#o.line - 1 + this.#newlines + (isOpen ? 1 : 0);
  }

  /** The first line that is held whole, or as much of it as has come. */
  get first(): number {
    const page = this.#pages[0];
    if (!page || page.offset === this.#o.offset) return this.#o.line + (this.#o.continued ? 1 : 0);
    return this.#o.line + page.newlines + 1;
  }

  /**
   * Takes what came. Bytes that are already here are passed over; false: some are missing before these, nothing was taken.
   */
  append(offset: number, given: Uint8Array, at: number): boolean {
    if (offset > this.#end) return false;
    const bytes = given.subarray(this.#end - offset);
    if (bytes.length === 0) return true;
    const last = this.#times.at(-1);
    if (!last || (at - last.at > SAME_TIME && last.offset < this.#end))
      this.#times.push({ offset: this.#end, at });
    for (let from = 0; from < bytes.length; ) from += this.#fill(bytes.subarray(from));
    this.#letGo();
    return true;
  }

  /** A line from `first` on; null: not held, or not there yet. */
  line(number: number): Line | null {
    if (number < this.first || number > this.total) return null;
    const offset = this.#startOf(number);
    const isEnded = number - this.#o.line < this.#newlines;
    const length = (isEnded ? this.#startOf(number + 1) - 1 : this.#end) - offset;
    const cut = length > this.#o.lineCut;
    const bytes = this.#read(offset, cut ? this.#o.lineCut : length);
    return {
      number,
      offset,
      at: this.#timeOf(offset),
      text: decode(bytes, cut || !isEnded),
      cutFrom: cut ? length : null,
    };
  }

  /** The line that byte belongs to, also the one that follows the last; null: it is before what is held. */
  lineOf(offset: number): number | null {
    if (offset < (this.#pages[0]?.offset ?? this.#o.offset) || offset > this.#end) return null;
    const page = this.#pages.findLast((candidate) => candidate.offset <= offset);
    if (!page) return this.#o.line;
    const before = count(page.bytes.subarray(0, Math.min(page.length, offset - page.offset)));
    return this.#o.line + page.newlines + before;
  }

  /** Of a line that is held; line `o.line` begins where the tail does. */
  #startOf(number: number): number {
    const before = number - this.#o.line;
    return before === 0 ? this.#o.offset : this.#newlineAt(before - 1) + 1;
  }

  /** Where newline `index` since the tail's beginning is; the beginning of what is held where it was let go. */
  #newlineAt(index: number): number {
    const page = this.#pages.findLast(({ newlines }) => newlines <= index);
    if (!page) return (this.#pages[0]?.offset ?? this.#o.offset) - 1;
    const within = index - page.newlines;
    let at = page.marks[Math.floor(within / STRIDE)] ?? 0;
    for (let left = within % STRIDE; left > 0; left -= 1) at = page.bytes.indexOf(NEWLINE, at + 1);
    return page.offset + at;
  }

  /** Puts as many bytes as fit into the last page, or a new one; how many those were. */
  #fill(bytes: Uint8Array): number {
    let page = this.#pages.at(-1);
    if (!page || page.length === PAGE) {
      page = {
        offset: this.#end,
        bytes: new Uint8Array(PAGE),
        length: 0,
        newlines: this.#newlines,
        marks: [],
        count: 0,
      };
      this.#pages.push(page);
    }
    const part = bytes.subarray(0, PAGE - page.length);
    page.bytes.set(part, page.length);
    for (let at = part.indexOf(NEWLINE); at !== -1; at = part.indexOf(NEWLINE, at + 1)) {
      if (page.count % STRIDE === 0) page.marks.push(page.length + at);
      page.count += 1;
      this.#lineStart = this.#end + at + 1;
    }
    page.length += part.length;
    this.#newlines = page.newlines + page.count;
    this.#end += part.length;
    this.#held += part.length;
    return part.length;
  }

  #letGo(): void {
    let gone = 0;
    while (this.#held > this.#o.limit && gone < this.#pages.length - 1) {
      this.#held -= this.#pages[gone]?.length ?? 0;
      gone += 1;
    }
    if (gone === 0) return;
    this.#pages.splice(0, gone);
    const start = this.#pages[0]?.offset ?? 0;
    const known = this.#times.findLastIndex(({ offset }) => offset <= start);
    if (known > 0) this.#times = this.#times.slice(known);
  }

  #timeOf(offset: number): number {
    let low = 0;
    let high = this.#times.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#times[middle]?.offset ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return this.#times[low]?.at ?? 0;
  }

  #read(start: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (const page of this.#pages) {
      const from = Math.max(start, page.offset);
      const to = Math.min(start + length, page.offset + page.length);
      if (from < to) bytes.set(page.bytes.subarray(from - page.offset, to - page.offset), from - start);
    }
    return bytes;
  }
}

function count(bytes: Uint8Array): number {
  let found = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) found += 1;
  return found;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Text of bytes; where they were cut, half a character at the end is left out. */
export function decode(bytes: Uint8Array, cut: boolean): string {
  return decoder.decode(cut ? bytes.subarray(0, wholeCharacters(bytes)) : bytes);
}

/** How many of the bytes are whole characters, as far as their end can say. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 3; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
