import type { Style } from './style.ts';

/** Text that is written in one way. */
export interface Span {
  text: string;
  style: Style;
}

/** More marks on one letter are a picture, not a language. */
const MOST_MARKS = 8;
const TOO_MANY_MARKS = new RegExp(`(\\p{M}{${MOST_MARKS}})\\p{M}+`, 'gu');
const IS_MARK = /^[\p{M}\u200d]$/u;

/**
 * One line of a terminal: text is written at the cursor, which a carriage return or a backspace moves back, so that what
 * follows overwrites. Cheap as long as nothing does. Each character written costs the same, whatever came before it.
 */
export class LineBuffer {
  /** What was written in order; not used once something was overwritten. */
  #spans: Span[] = [];
  /** One for each column, once needed. */
  #columns: string[] | null = null;
  #styles: Style[] = [];
  #cursor: 'end' | number = 'end';

  write(given: string, style: Style): void {
    if (given === '') return;
    const text = given.replace(TOO_MANY_MARKS, '$1');
    if (this.#cursor === 'end' && this.#columns === null) this.#append(text, style);
    else this.#overwrite(text, style);
  }

  carriageReturn(): void {
    this.#cursor = 0;
  }

  backspace(): void {
    const cursor = this.#cursor === 'end' ? this.#intoColumns().length : this.#cursor;
    this.#cursor = Math.max(0, cursor - 1);
  }

  /** From the cursor to the line's end. */
  eraseToEnd(): void {
    if (this.#cursor === 'end') return;
    this.#intoColumns().length = this.#cursor;
    this.#styles.length = this.#cursor;
  }

  eraseAll(): void {
    this.#spans = [];
    this.#columns = null;
    this.#styles = [];
    this.#cursor = 'end';
  }

  spans(): Span[] {
    if (this.#columns === null) return this.#spans;
    const spans: Span[] = [];
    let start = 0;
    for (let at = 1; at <= this.#columns.length; at += 1) {
      const style = this.#styles[start];
      if (style === undefined || this.#styles[at] === style) continue;
      spans.push({ text: this.#columns.slice(start, at).join(''), style });
      start = at;
    }
    return spans;
  }

  #append(text: string, style: Style): void {
    const last = this.#spans.at(-1);
    if (last?.style === style) last.text += text;
    else this.#spans.push({ text, style });
  }

  #overwrite(text: string, style: Style): void {
    const columns = this.#intoColumns();
    let cursor = this.#cursor === 'end' ? columns.length : this.#cursor;
    for (const character of text) {
      if (cursor > 0 && character > '\u02ff' && IS_MARK.test(character)) {
        const marked = (columns[cursor - 1] ?? '') + character;
        if (marked.length <= 2 * MOST_MARKS) columns[cursor - 1] = marked;
      } else {
        columns[cursor] = character;
        this.#styles[cursor] = style;
        cursor += 1;
      }
    }
    this.#cursor = cursor;
  }

  #intoColumns(): string[] {
    if (this.#columns === null) {
      const spans = this.#spans;
      this.#columns = [];
      this.#spans = [];
      const cursor = this.#cursor;
      this.#cursor = 0;
      for (const { text, style } of spans) this.#overwrite(text, style);
      this.#cursor = cursor;
    }
    return this.#columns;
  }
}
