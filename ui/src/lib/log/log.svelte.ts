import type { Step } from '@reprise/server/api.ts';
import { untrack } from 'svelte';
import { asProblem, type Problem } from '../problem.ts';
import { parseLine, styleAfter } from './ansi.ts';
import { firstError } from './first-error.ts';
import type { Span } from './line-buffer.ts';
import { LogModel } from './log-model.ts';
import type { Line, LogSource } from './log-source.ts';
import { Rows, type Section } from './sections.ts';
import { PLAIN, type Style } from './style.ts';

/** A line as it is drawn. The same object as long as nothing of it changed. */
export interface ShownLine {
  line: Line;
  spans: readonly Span[];
}

/** A drawn line with the styles before and after it: drawn again the same while these are. */
interface KnownLine extends ShownLine {
  before: Style;
  after: Style;
}

/** Redraws while a log floods: more often nobody reads, and the page stays quick. */
const FLOOD_MS = 100;
/** More new lines than this since the last redraw are a flood. */
const FLOOD_LINES = 60;
/** A colour that was left on is looked for so many lines back. */
const LOOK_BACK = 100;
/** Of a failed step's section, the lines that are looked through for its first error. */
const LOOK_THROUGH = 5000;

/** One attempt's log as the page shows it: lines with their colours, and the steps' sections. Made for one source. */
export class Log {
  readonly model: LogModel;
  /** Makes a change that moves rows; who shows them keeps what is seen in its place. */
  around: (change: () => void) => void = (change) => change();
  readonly #steps: () => readonly Step[];
  /** Grows when there is something new to draw. */
  #version = $state(0);
  #total = $state(0);
  #sections = $state.raw<readonly Section[]>([]);
  #folded = $state.raw<ReadonlySet<number>>(new Set());
  readonly #rows = $derived(new Rows(this.#sections, this.#total, this.#folded));
  readonly #starts = new Map<number, { offset: number; line: number | 'asked' }>();
  readonly #styles = new Map<number, Style>();
  #shown = new Map<number, KnownLine>();
  #frame = 0;
  #drawnAt = 0;

  constructor(source: LogSource, steps: () => readonly Step[]) {
    this.#steps = steps;
    this.model = new LogModel(source, { changed: () => this.#redrawSoon() });
  }

  get total(): number {
    return this.#total;
  }

  get rows(): Rows {
    return this.#rows;
  }

  get sections(): readonly Section[] {
    return this.#sections;
  }

  /** Whether the first answer is here. */
  get isOpen(): boolean {
    return this.#version > 0 && this.model.isOpen;
  }

  get isEnded(): boolean {
    return this.#version > 0 && this.model.isEnded;
  }

  get problem(): Problem | null {
    return this.#version > 0 && this.model.problem ? asProblem(this.model.problem) : null;
  }

  /** What is drawn of these lines; null where one is not here yet. Reading it draws again when more has come. */
  shown(first: number, last: number): (ShownLine | null)[] {
    void this.#version;
    const before = this.#shown;
    this.#shown = new Map();
    const lines: (ShownLine | null)[] = [];
    let style: Style | null = null;
    for (let number = first; number <= last; number += 1) {
      const line = this.model.line(number);
      if (!line) {
        lines.push(null);
        style = null;
        continue;
      }
      const start: Style = this.#beginsSection(number) ? PLAIN : (style ?? this.#styleBefore(number));
      const known = before.get(number);
      const isKnown = known && known.before === start && sameLine(known.line, line);
      const shown: KnownLine = isKnown ? known : { line, before: start, ...parseLine(line.text, start) };
      style = shown.after;
      this.#remember(number, shown.after);
      this.#shown.set(number, shown);
      lines.push(shown);
    }
    return lines;
  }

  /** Folds a step's section, or opens it. */
  fold(step: number, isFolded: boolean): void {
    const folded = new Set(this.#folded);
    if (isFolded) folded.add(step);
    else folded.delete(step);
    this.around(() => {
      this.#folded = folded;
    });
  }

  foldAll(isFolded: boolean): void {
    this.around(() => {
      this.#folded = new Set(isFolded ? this.#sections.map(({ step }) => step) : []);
    });
  }

  /** Finds where each step that has begun writes. To be called when the steps, or the log, have changed. */
  findSections(): void {
    for (const [index, step] of this.#steps().entries()) {
      const { logOffset } = step;
      const known = this.#starts.get(index);
      if (logOffset === null || known?.offset === logOffset) continue;
      this.#starts.set(index, { offset: logOffset, line: 'asked' });
      this.model.lineOf(logOffset).then(
        (line) => {
          this.#starts.set(index, { offset: logOffset, line });
          this.#placeSections();
        },
        // Asked again with the next change.
        () => this.#starts.delete(index),
      );
    }
  }

  /** The first error of a failed step's section, else its last line; null: no step failed, or it wrote nothing. */
  async firstError(): Promise<number | null> {
    const failed = this.#steps().findIndex(({ status }) => status === 'failed' || status === 'errored');
    const section = this.#sections.findIndex(({ step }) => step === failed);
    if (failed === -1 || section === -1) return null;
    const { first, last } = this.rows.linesOf(section);
    if (last < first) return null;
    const lines = await this.model.read(Math.max(first, last - LOOK_THROUGH + 1), last);
    return firstError(lines) ?? last;
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    this.model.stop();
  }

  /** Once a frame at most; rarer while so much comes that nobody can read it. */
  #redrawSoon(): void {
    if (this.#frame !== 0) return;
    const redraw = (now: number) => {
      const isFlood = this.model.total - untrack(() => this.#total) > FLOOD_LINES;
      if (isFlood && now - this.#drawnAt < FLOOD_MS) {
        this.#frame = requestAnimationFrame(redraw);
        return;
      }
      this.#frame = 0;
      this.#drawnAt = now;
      this.#total = this.model.total;
      this.#version += 1;
    };
    this.#frame = requestAnimationFrame(redraw);
  }

  #placeSections(): void {
    const starts = [...this.#starts.entries()].sort(([one], [other]) => one - other);
    const found = starts.flatMap(([step, { line }]) => (line === 'asked' ? [] : [{ step, first: line }]));
    // A step that was found out of order would hide what is between: it waits for the others.
    if (found.length !== starts.length) return;
    const [first] = found;
    this.#shown.clear();
    this.#styles.clear();
    this.around(() => {
      this.#sections = first && first.first > 1 ? [{ step: -1, first: 1 }, ...found] : found;
    });
  }

  #beginsSection(number: number): boolean {
    return this.#sections.some(({ first }) => first === number);
  }

  #styleBefore(number: number): Style {
    let start = number;
    while (start > 1 && number - start < LOOK_BACK && !this.#styles.has(start - 1)) {
      if (this.#beginsSection(start) || !this.model.line(start - 1)) break;
      start -= 1;
    }
    let style = this.#beginsSection(start) ? PLAIN : (this.#styles.get(start - 1) ?? PLAIN);
    for (let at = start; at < number; at += 1) style = styleAfter(this.model.line(at)?.text ?? '', style);
    return style;
  }

  #remember(number: number, style: Style): void {
    if (this.#styles.size > 20_000) this.#styles.clear();
    this.#styles.set(number, style);
  }
}

function sameLine(one: Line, other: Line): boolean {
  return one === other || (one.text === other.text && one.at === other.at && one.cutFrom === other.cutFrom);
}
