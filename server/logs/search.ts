import { countNewlines } from './line-index.ts';
import type { LogContent } from './log-content.ts';

/** A line that holds what was searched; `offset` is that of the line's first byte. */
export interface LogMatch {
  /** Counts from 1. */
  line: number;
  offset: number;
  /** The line, or where it is long the part around the first occurrence. */
  text: string;
}

/** Searched in one go, between two turns of the event loop; a longer line is searched in pieces of this. */
const WINDOW = 512 * 1024;

/** Characters of a long line shown before and after the occurrence. */
const AROUND = 200;

/**
 * Finds the first `limit` lines holding `text`, whatever the case, one match a line. Memory does not grow with the log, nor
 * with its longest line.
 */
export async function searchLog(
  log: LogContent,
  { text, limit, signal }: { text: string; limit: number; signal?: AbortSignal },
): Promise<LogMatch[]> {
  const wanted = text.toLowerCase();
  if (wanted === '') return [];
  const scan = new Scan(wanted, limit);
  const { size } = log;
  let held: Buffer = Buffer.alloc(0);
  for (let at = 0; at < size && !scan.isFull; ) {
    signal?.throwIfAborted();
    const buffer = Buffer.allocUnsafe(held.length + Math.min(WINDOW, size - at));
    held.copy(buffer);
    const bytesRead = await log.readInto(buffer.subarray(held.length), at);
    if (bytesRead === 0) break;
    at += bytesRead;
    const bytes = buffer.subarray(0, held.length + bytesRead);
    held = at < size ? scan.takeLines(bytes) : scan.takeAll(bytes);
  }
  return scan.matches;
}

/** Where the search is: at which line, and where that line began. */
class Scan {
  readonly matches: LogMatch[] = [];
  readonly #wanted: string;
  readonly #limit: number;
  /** What a piece of an unfinished line leaves to be searched with the next: longer than any form of what is wanted. */
  readonly #overlap: number;
  #line = 1;
  #lineOffset = 0;
  /** Offset of the next byte to be taken. */
  #offset = 0;

  constructor(wanted: string, limit: number) {
    this.#wanted = wanted;
    this.#limit = limit;
    this.#overlap = Math.max(4 * Buffer.byteLength(wanted), 4 * AROUND);
  }

  get isFull(): boolean {
    return this.matches.length >= this.#limit;
  }

  /** Searches the whole lines among `bytes`; returns what must be seen again together with the bytes that follow. */
  takeLines(bytes: Buffer): Buffer {
    const end = bytes.lastIndexOf(10) + 1;
    if (end > 0) {
      this.#search(bytes.subarray(0, end));
      this.#advance(bytes.subarray(0, end));
      return bytes.subarray(end);
    }
    if (bytes.length <= WINDOW + this.#overlap) return bytes;
    const seen = bytes.length - this.#overlap;
    this.#search(bytes);
    this.#offset += seen;
    return bytes.subarray(seen);
  }

  takeAll(bytes: Buffer): Buffer {
    this.#search(bytes);
    return bytes.subarray(bytes.length);
  }

  #advance(bytes: Buffer): void {
    this.#line += countNewlines(bytes);
    this.#offset += bytes.length;
    this.#lineOffset = this.#offset;
  }

  /** Lower-casing may change how long a text is, but never its newlines: lines are found by counting those. */
  #search(bytes: Buffer): void {
    const text = bytes.toString();
    const lower = text.toLowerCase();
    let found = lower.indexOf(this.#wanted);
    if (found === -1) return;
    const place = { line: this.#line, offset: this.#lineOffset, byte: 0, lower: 0 };
    while (found !== -1 && !this.isFull) {
      skipTo(place, { bytes, lower, found, start: this.#offset });
      const lineEnd = endOf(lower, found);
      this.#add(place, bytes, { inLine: found - place.lower });
      if (lineEnd === -1) return;
      found = lower.indexOf(this.#wanted, lineEnd + 1);
    }
  }

  #add(place: { line: number; offset: number; byte: number }, bytes: Buffer, { inLine }: { inLine: number }) {
    if (this.matches.at(-1)?.line === place.line) return;
    const newline = bytes.indexOf(10, place.byte);
    const line = bytes.subarray(place.byte, newline === -1 ? bytes.length : newline).toString();
    const start = Math.max(0, inLine - AROUND);
    const text = line.slice(start, inLine + this.#wanted.length + AROUND);
    this.matches.push({ line: place.line, offset: place.offset, text });
  }
}

/** Moves `place` on to the line that holds index `found` of the lower-cased text. */
function skipTo(
  place: { line: number; offset: number; byte: number; lower: number },
  { bytes, lower, found, start }: { bytes: Buffer; lower: string; found: number; start: number },
): void {
  for (let end = endOf(lower, place.lower); end !== -1 && end < found; end = endOf(lower, place.lower)) {
    place.lower = end + 1;
    place.byte = bytes.indexOf(10, place.byte) + 1;
    place.line += 1;
    place.offset = start + place.byte;
  }
}

function endOf(text: string, from: number): number {
  return text.indexOf('\n', from);
}
