import type { Readable } from 'node:stream';
import type { ObjectStore, StoredObject } from '../storage/objects.ts';
import { countNewlines, findRecords, type IndexRecord, RECORD } from './line-index.ts';
import { logKey } from './log.store.ts';
import type { LogContent } from './log-content.ts';

/** Bytes of an index that are fetched in one piece; larger ones are searched in pieces of this. */
const INDEX_PIECE = 256 * 1024;

/** Where a finished log and its index are. */
export function keysOfLog(attempt: string): { log: string; index: string } {
  const log = logKey(attempt);
  return { log, index: `${log}.lines` };
}

/**
 * A finished log in the storage, read by ranges. Where its index is missing or behind, lines are found all the same, by
 * reading more. Close it.
 */
export class StoredLog implements LogContent, AsyncDisposable {
  readonly size: number;
  newlines = 0;
  lines = 0;
  readonly #objects: ObjectStore;
  readonly #log: StoredObject;
  readonly #indexKey: string;
  /** Opened when it is first asked for: who reads bytes does not need it. */
  #index: Promise<StoredObject | null> | undefined;
  #piece: { start: number; bytes: Buffer } | null = null;

  private constructor(objects: ObjectStore, log: StoredObject, indexKey: string) {
    this.#objects = objects;
    this.#log = log;
    this.#indexKey = indexKey;
    this.size = log.size;
  }

  /** Null where there is no such log. Lines can only be asked for after `countLines`. */
  static async open(objects: ObjectStore, attempt: string): Promise<StoredLog | null> {
    const keys = keysOfLog(attempt);
    const log = await objects.open(keys.log);
    return log && new StoredLog(objects, log, keys.index);
  }

  /** Counts what the index does not say: the newlines after its last record, mostly 64 KiB. */
  async countLines(): Promise<this> {
    const [last] = await this.records('offset', this.size, 1);
    let newlines = last?.newlines ?? 0;
    let endsInNewline = true;
    const piece = Buffer.allocUnsafe(INDEX_PIECE);
    for (let at = last?.offset ?? 0; at < this.size; ) {
      const bytes = piece.subarray(0, await this.readInto(piece, at));
      if (bytes.length === 0) throw new Error('A stored log is shorter than the storage said.');
      newlines += countNewlines(bytes);
      endsInNewline = bytes.at(-1) === 10;
      at += bytes.length;
    }
    this.newlines = newlines;
    this.lines = newlines + (endsInNewline ? 0 : 1);
    return this;
  }

  async readInto(into: Buffer, start: number): Promise<number> {
    const length = Math.min(into.length, this.size - start);
    return length <= 0 ? 0 : this.#log.readInto(into.subarray(0, length), start);
  }

  async records(field: 'offset' | 'newlines', most: number, count: number): Promise<IndexRecord[]> {
    const total = Math.floor(((await this.#openIndex())?.size ?? 0) / RECORD);
    const found = await findRecords(this.#readIndex, total, { field, most, count });
    return found.length === 0 && most >= 0 ? [{ offset: 0, newlines: 0, at: 0 }] : found;
  }

  /** The bytes from `start` to before `end`, at the reader's pace. The log is closed when they end. */
  stream(range: { start: number; end: number }): Promise<Readable> {
    return this.#log.stream(range);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log.close();
    await (await this.#index)?.close();
  }

  #openIndex(): Promise<StoredObject | null> {
    this.#index ??= this.#objects.open(this.#indexKey);
    return this.#index;
  }

  /** Out of the piece that was fetched last, where it is in there. */
  readonly #readIndex = async (into: Buffer, start: number): Promise<number> => {
    const index = await this.#openIndex();
    if (!index) return 0;
    const from = start - (start % INDEX_PIECE);
    let piece = this.#piece;
    if (piece?.start !== from) {
      const bytes = Buffer.allocUnsafe(Math.min(INDEX_PIECE, Math.max(0, index.size - from)));
      piece = { start: from, bytes: bytes.subarray(0, await index.readInto(bytes, from)) };
      this.#piece = piece;
    }
    const copied = piece.bytes.copy(into, 0, start - from);
    if (copied === into.length || start + copied >= index.size) return copied;
    return copied + (await this.#readIndex(into.subarray(copied), start + copied));
  };
}

/** A log's index as it is stored, from its records. */
export async function* indexBytes(pages: AsyncIterable<IndexRecord[]>): AsyncGenerator<Buffer> {
  for await (const page of pages) {
    const bytes = Buffer.allocUnsafe(page.length * RECORD);
    for (const [number, { offset, newlines, at }] of page.entries()) {
      bytes.writeDoubleLE(offset, number * RECORD);
      bytes.writeDoubleLE(newlines, number * RECORD + 8);
      bytes.writeDoubleLE(at, number * RECORD + 16);
    }
    yield bytes;
  }
}
