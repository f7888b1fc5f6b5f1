import type { LogLines } from '@reprise/server/logs/log.api.ts';
import { BLOCK, LineCache } from './line-cache.ts';
import type { LineRange } from './line-link.ts';
import { decode, LiveTail } from './live-tail.ts';
import type { Line, LogSource } from './log-source.ts';

/** Bounds of what one log holds, in characters and bytes: with it a page stays far below 150 MB. */
const HELD_CHARACTERS = 12_000_000;
const HELD_BYTES = 8 * 1024 * 1024;
/** What the server gives of one line; more of it comes only when it is asked for. */
export const LINE_CUT = 16 * 1024;
/** Of one line no more is ever shown: the rest is in the raw log. */
export const LINE_MOST = 1024 * 1024;
const MOST_EXPANDED = 4;
/** Requests at a time: while somebody drags through a log, only the newest wish counts. */
const MOST_REQUESTS = 2;
/** Asked for when a log is opened: more than a screen. */
const OPENING = 200;

export interface LogModelOptions {
  /** Something was added; what was looked at may have come. */
  changed(): void;
  /** Milliseconds until what failed is tried again. */
  retryMs?: number;
}

/**
 * A window over a log of any size. It knows how many lines there are, holds those looked at last and those that came live,
 * and fetches what is missing. Offsets are the truth: what comes twice is passed over, and what was missed is asked for again.
 */
export class LogModel {
  readonly #source: LogSource;
  readonly #o: LogModelOptions;
  readonly #cache = new LineCache(HELD_CHARACTERS);
  readonly #stop = new AbortController();
  readonly #asked = new Set<number>();
  readonly #expanded = new Map<number, Line>();
  #tail: LiveTail | null = null;
  #unwatch: (() => void) | null = null;
  #total = 0;
  #wish: readonly LineRange[] = [];
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isOpen = false;
  #isEnded = false;
  #problem: unknown = null;

  constructor(source: LogSource, o: LogModelOptions) {
    this.#source = source;
    this.#o = o;
  }

  /** Lines so far, counting a last one without a newline. */
  get total(): number {
    return Math.max(this.#total, this.#tail?.total ?? 0);
  }

  /** Whether the first answer is here. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether all of a log that was watched has come. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Why the last request brought nothing; null once one has. */
  get problem(): unknown {
    return this.#problem;
  }

  /** Fetches the end of the log, and goes on from there where it still grows. */
  async open({ growing }: { growing: boolean }): Promise<void> {
    const answer = await this.#fetch({ from: -OPENING }, OPENING);
    if (!answer) return this.#tryAgain(() => this.open({ growing }));
    this.#isOpen = true;
    this.#take(answer);
    if (growing) this.#watch(answer);
    this.#o.changed();
    this.#fetchWish();
  }

  /** Goes on watching a log that was thought to be over. */
  resume(): void {
    if (!this.#isOpen || this.#unwatch || this.#isEnded) return;
    this.#cache.forget(this.#total);
    void this.open({ growing: true });
  }

  /** null: not here yet; `want` brings it. */
  line(number: number): Line | null {
    const expanded = this.#expanded.get(number);
    if (expanded) return expanded;
    const tail = this.#tail;
    return (tail && number >= tail.first ? tail.line(number) : null) ?? this.#cache.get(number);
  }

  /** Says which lines are looked at. Those that are missing are fetched; an older wish is forgotten. */
  want(ranges: readonly LineRange[]): void {
    this.#wish = ranges;
    for (const { first, last } of ranges) this.#cache.touch(first, last);
    this.#fetchWish();
  }

  /** Lines for other uses than showing them, such as copying: fetched where they are not held. */
  async read(first: number, last: number): Promise<Line[]> {
    const lines: Line[] = [];
    for (let number = first; number <= Math.min(last, this.total); ) {
      const held = this.line(number);
      if (held) lines.push(held);
      else {
        const answer = await this.#source.lines(
          { from: number },
          Math.min(MOST_LINES, last - number + 1),
          this.#stop.signal,
        );
        if (answer.lines.length === 0) break;
        lines.push(...answer.lines.map(toLine));
      }
      number = (lines.at(-1)?.number ?? last) + 1;
    }
    return lines;
  }

  /** The line that holds byte `offset`, or begins there, be it the one that comes next. */
  async lineOf(offset: number): Promise<number> {
    const held = this.#tail?.lineOf(offset);
    if (held) return held;
    const { lines, total } = await this.#source.lines({ offset }, 1, this.#stop.signal);
    const [line] = lines;
    if (!line) return total + 1;
    return offset > line.offset + line.length ? line.number + 1 : line.number;
  }

  /** More of a line that was cut, up to `LINE_MOST`; it stays until it is let go. */
  async expand(line: Line): Promise<void> {
    const length = Math.min(line.cutFrom ?? 0, LINE_MOST);
    const bytes = await this.#source.bytes(line.offset, length, this.#stop.signal);
    const cutFrom = line.cutFrom !== null && line.cutFrom > length ? line.cutFrom : null;
    if (this.#expanded.size >= MOST_EXPANDED) this.#expanded.clear();
    this.#expanded.set(line.number, { ...line, text: decode(bytes, cutFrom !== null), cutFrom });
    this.#o.changed();
  }

  stop(): void {
    this.#stop.abort();
    this.#unwatch?.();
    clearTimeout(this.#retry);
  }

  #watch({ lines, total }: LogLines): void {
    const last = lines.at(-1);
    const tail = new LiveTail({ ...whereToGoOn(last, total), limit: HELD_BYTES, lineCut: LINE_CUT });
    this.#tail = tail;
    this.#unwatch = this.#source.watch(() => tail.end, {
      chunk: (offset, bytes, end) => {
        const isNext = tail.append(offset, bytes, Date.now());
        // What was half written when it was fetched is whole here.
        if (last && tail.first === last.number) this.#cache.forget(last.number);
        if (end && isNext) this.#isEnded = true;
        this.#o.changed();
      },
      refused: (why) => {
        this.#problem = new Error(why);
        this.#o.changed();
      },
    });
  }

  #fetchWish(): void {
    if (!this.#isOpen) return;
    for (const { first, last } of this.#wish) {
      for (let number = first; number <= Math.min(last, this.#lastFetched); number += 1) {
        if (this.#asked.size >= MOST_REQUESTS) return;
        if (this.#cache.get(number)) continue;
        const block = Math.floor((number - 1) / BLOCK);
        if (!this.#asked.has(block)) void this.#fetchBlock(block, number);
        number = (block + 1) * BLOCK;
      }
    }
  }

  /** What is held live is not fetched: its last line may be half written. */
  get #lastFetched(): number {
    return this.#tail ? this.#tail.first - 1 : this.#total;
  }

  async #fetchBlock(block: number, first: number): Promise<void> {
    this.#asked.add(block);
    const last = Math.min((block + 1) * BLOCK, this.#lastFetched);
    const answer = await this.#fetch({ from: first }, last - first + 1);
    this.#asked.delete(block);
    if (!answer) return this.#tryAgain(() => this.#fetchWish());
    this.#take(answer);
    this.#o.changed();
    if (answer.lines.length > 0) this.#fetchWish();
  }

  async #fetch(what: { from: number }, count: number): Promise<LogLines | null> {
    try {
      const answer = await this.#source.lines(what, count, this.#stop.signal);
      this.#problem = null;
      return answer;
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#problem = error;
      return null;
    }
  }

  #take({ lines, total }: LogLines): void {
    this.#total = Math.max(this.#total, total);
    this.#cache.put(lines.map(toLine));
  }

  #tryAgain(what: () => unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#o.changed();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(what, this.#o.retryMs ?? 2000);
  }
}

/** The server answers no more at once. */
const MOST_LINES = 5000;

type Answered = LogLines['lines'][number];

/**
 * Where to watch from. The last line may be half written, even in the middle of a character: it is taken again from its
 * beginning, or, where that is long, from where it was read to.
 */
function whereToGoOn(last: Answered | undefined, total: number) {
  if (!last) return { offset: 0, line: total + 1, continued: false };
  if (last.length > LINE_CUT)
    return { offset: last.offset + last.length, line: last.number, continued: true };
  return { offset: last.offset, line: last.number, continued: false, at: Date.parse(last.at) };
}

function toLine({ number, offset, length, at, text }: Answered): Line {
  // What is not UTF-8 takes more bytes once decoded, so only what is longer than the cut can have been cut.
  return { number, offset, at: Date.parse(at), text, cutFrom: length > LINE_CUT ? length : null };
}
