import { variants } from './redact-variants.ts';

const MASK = Buffer.from('***');
const NOTHING = Buffer.alloc(0);

/**
 * Masks values in a stream of bytes: push chunks, get back what may be shown, `***` in place of each value and all else
 * byte for byte. What could be the beginning of a value is held back until the next chunk or `end` decides. Overlapping
 * values become one mask.
 *
 * Looks at about one byte in as many as the shortest value has (Wu and Manber's search), so it keeps up with a log of
 * hundreds of megabytes; without values it hands chunks through.
 */
export class Redactor {
  readonly #search: Search | null;
  #held: Buffer = NOTHING;
  /** How many of the held bytes belong to a value already masked. */
  #masked = 0;

  constructor(values: readonly string[]) {
    const needles = values.flatMap(variants);
    this.#search = needles.length > 0 ? new Search(needles) : null;
  }

  /** May return the chunk itself, or a part of it. */
  push(chunk: Buffer): Buffer {
    return this.#scan(chunk, false);
  }

  /** What was held back. The stream may go on afterwards, as after the end of a step. */
  end(): Buffer {
    return this.#scan(NOTHING, true);
  }

  #scan(chunk: Buffer, final: boolean): Buffer {
    if (!this.#search) return chunk;
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const shown: Buffer[] = [];
    let shownTo = this.#masked;
    let at = 0;
    for (;;) {
      const found = this.#search.next(bytes, at, final);
      at = found.at;
      if (found.length === 0) break;
      if (at >= shownTo) shown.push(bytes.subarray(shownTo, at), MASK);
      shownTo = Math.max(shownTo, at + found.length);
      at += 1;
    }
    if (shownTo < at) shown.push(bytes.subarray(shownTo, at));
    this.#masked = Math.max(0, shownTo - at);
    // A copy: the chunk's memory is the caller's.
    this.#held = at < bytes.length ? Buffer.from(bytes.subarray(at)) : NOTHING;
    return shown.length === 1 ? (shown[0] ?? NOTHING) : Buffer.concat(shown);
  }
}

/** Finds the first of several needles. */
class Search {
  readonly #needles: Buffer[];
  /** Length of the shortest needle, and of the window that is moved over the bytes. */
  readonly #window: number;
  /** How far the window may move when it ends in these two bytes. */
  readonly #shift = new Uint8Array(65_536);
  /** Needles by the two bytes that end their first window, longest first. */
  readonly #ending = new Map<number, Buffer[]>();
  readonly #beginnings = new Uint8Array(256);

  constructor(needles: Buffer[]) {
    this.#needles = needles.toSorted((a, b) => b.length - a.length);
    this.#window = Math.min(255, ...needles.map((needle) => needle.length));
    this.#shift.fill(this.#window - 1);
    for (const needle of this.#needles) {
      this.#beginnings[needle.readUInt8(0)] = 1;
      for (let end = 1; end < this.#window; end += 1) {
        const block = needle.readUInt16BE(end - 1);
        const distance = this.#window - 1 - end;
        if (distance < (this.#shift[block] ?? 0)) this.#shift[block] = distance;
        if (distance === 0) this.#ending.set(block, [...(this.#ending.get(block) ?? []), needle]);
      }
    }
  }

  /**
   * The first needle at or after `from`, as `{at, length}`. Length 0: none, and everything before `at` is certainly free of
   * them, while from `at` on the bytes (if any are left) may go on as one in the next chunk.
   */
  next(bytes: Buffer, from: number, final: boolean): { at: number; length: number } {
    const last = this.#window - 1;
    let at = from;
    while (at + last < bytes.length) {
      const block = ((bytes[at + last - 1] ?? 0) << 8) | (bytes[at + last] ?? 0);
      const shift = this.#shift[block] ?? 0;
      if (shift > 0) {
        at += shift;
        continue;
      }
      const length = this.#matchAt(bytes, at, this.#ending.get(block) ?? [], final);
      if (length !== null) return { at, length };
      at += 1;
    }
    if (final) return { at: bytes.length, length: 0 };
    for (; at < bytes.length; at += 1) {
      if (this.#beginnings[bytes[at] ?? 0] && this.#isBeginning(bytes.subarray(at))) break;
    }
    return { at: Math.min(at, bytes.length), length: 0 };
  }

  /** The length of the longest needle here; 0 when a longer one needs more bytes to decide; null when there is none. */
  #matchAt(bytes: Buffer, at: number, needles: readonly Buffer[], final: boolean): number | null {
    for (const needle of needles) {
      const there = bytes.subarray(at, at + needle.length);
      if (there.length === needle.length ? there.equals(needle) : !final && startsWith(needle, there))
        return there.length === needle.length ? needle.length : 0;
    }
    return null;
  }

  #isBeginning(rest: Buffer): boolean {
    return this.#needles.some((needle) => startsWith(needle, rest));
  }
}

function startsWith(needle: Buffer, beginning: Buffer): boolean {
  return beginning.length < needle.length && needle.subarray(0, beginning.length).equals(beginning);
}
