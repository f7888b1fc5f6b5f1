import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crashPoint } from '../crash-point.ts';
import { diskFull } from '../http/disk-full.ts';
import { findRecords, type IndexRecord, indexChunk, RECORD, readRecords, SEGMENT } from './line-index.ts';
import type { LogContent } from './log-content.ts';

/** Bytes read at once where a log has to be read again: to hash it, or to index what its index lacks. */
const READ = 1024 * 1024;

/**
 * One attempt's log and its index, open for appending. Not for use by two at once: `DirectoryLogs` serialises. What is true of
 * the log is in memory (`size`, `newlines`, the running digest), so an append reads nothing.
 */
export class LogFile implements LogContent {
  readonly log: FileHandle;
  readonly index: FileHandle;
  size = 0;
  newlines = 0;
  /** Records in the index. */
  #count = 0;
  endsInNewline = true;
  /** Of bytes 0 to `size`; null after a restart, until somebody asks. */
  #hash: Hash | null = createHash('sha256');

  private constructor(log: FileHandle, index: FileHandle) {
    this.log = log;
    this.index = index;
  }

  /** Opens both files, and indexes whatever of the log its index lacks. Null where there is no log and none is made. */
  static async open(path: string, { create }: { create: boolean }): Promise<LogFile | null> {
    const log = await (create ? openNew(path) : open(path, OPEN).catch(nullIfMissing));
    if (!log) return null;
    await using undo = new AsyncDisposableStack();
    undo.defer(() => log.close());
    const { size, mtimeMs } = await log.stat();
    // The index of an empty log is empty, whatever a crash may have left in it.
    const index = await open(
      indexPath(path),
      OPEN | constants.O_CREAT | (size === 0 ? constants.O_TRUNC : 0),
      0o600,
    );
    undo.defer(() => index.close());
    const file = new LogFile(log, index);
    if (size > 0) await file.#load(size, Math.floor(mtimeMs));
    undo.move();
    return file;
  }

  /** Lines, counting a last one without a newline. */
  get lines(): number {
    return this.newlines + (this.endsInNewline ? 0 : 1);
  }

  /** Appends bytes that arrived `at`. Either all of them are there afterwards, or, when the disk is full, none (507). */
  async append(chunk: Buffer, at: number): Promise<void> {
    const { records, newlines } = indexChunk(chunk, { offset: this.size, newlines: this.newlines, at });
    try {
      crashPoint('log');
      await writeAll(this.log, chunk, this.size);
      crashPoint('log-written');
      await writeAll(this.index, records, this.#count * RECORD);
    } catch (error) {
      await this.log.truncate(this.size);
      await this.index.truncate(this.#count * RECORD);
      throw diskFull(error) ?? error;
    }
    this.#hash?.update(chunk);
    this.size += chunk.length;
    this.newlines += newlines;
    this.#count += records.length / RECORD;
    this.endsInNewline = chunk.at(-1) === 10;
  }

  async readInto(into: Buffer, start: number): Promise<number> {
    const length = Math.max(0, Math.min(into.length, this.size - start));
    return length === 0 ? 0 : (await this.log.read(into, 0, length, start)).bytesRead;
  }

  async records(field: 'offset' | 'newlines', most: number, count: number): Promise<IndexRecord[]> {
    return findRecords(this.#readIndex, this.#count, { field, most, count });
  }

  /** Makes what was appended durable. */
  async sync(): Promise<void> {
    await this.log.datasync();
  }

  async sha256(): Promise<string> {
    if (!this.#hash) {
      const hash = createHash('sha256');
      await this.#readFrom(0, (bytes) => hash.update(bytes));
      this.#hash = hash;
    }
    return this.#hash.copy().digest('hex');
  }

  /** Forgets everything, so that the log can be written again from its beginning. */
  async reset(): Promise<void> {
    await this.index.truncate(0);
    await this.log.truncate(0);
    this.size = 0;
    this.newlines = 0;
    this.#count = 0;
    this.endsInNewline = true;
    this.#hash = createHash('sha256');
  }

  async close(): Promise<void> {
    await Promise.all([this.log.close(), this.index.close()]);
  }

  readonly #readIndex = async (into: Buffer, start: number): Promise<number> =>
    (await this.index.read(into, 0, into.length, start)).bytesRead;

  async #load(size: number, changedAt: number): Promise<void> {
    const last = await this.#lastRecord(size);
    this.size = size;
    this.newlines = last.newlines;
    this.#hash = null;
    await this.#catchUp(last, changedAt);
  }

  /** Cuts off records beyond the log's end (it was cut, the index was not); the last one left, if any. */
  async #lastRecord(size: number): Promise<IndexEnd> {
    const indexSize = (await this.index.stat()).size;
    let count = Math.floor(indexSize / RECORD);
    for (; count > 0; count -= 1) {
      const [record] = await readRecords(this.#readIndex, count - 1, count);
      if (record && record.offset < size) {
        this.#count = count;
        if (count * RECORD !== indexSize) await this.index.truncate(count * RECORD);
        return { offset: record.offset, newlines: record.newlines, indexed: SEGMENT };
      }
    }
    this.#count = 0;
    if (indexSize > 0) await this.index.truncate(0);
    return { offset: 0, newlines: 0, indexed: 0 };
  }

  /**
   * Counts on from the last record to the log's end. More than a segment there means that the index is behind: those
   * bytes are indexed with the time of the log's last change, the best that is still known.
   */
  async #catchUp(last: IndexEnd, at: number): Promise<void> {
    let covered = last.offset + last.indexed;
    let offset = last.offset;
    await this.#readFrom(last.offset, async (bytes) => {
      for (let from = 0; from < bytes.length; from += SEGMENT) {
        const segment = bytes.subarray(from, from + SEGMENT);
        const { records, newlines } = indexChunk(segment, { offset, newlines: this.newlines, at });
        if (offset >= covered) {
          await writeAll(this.index, records, this.#count * RECORD);
          this.#count += 1;
          covered = offset + SEGMENT;
        }
        this.newlines += newlines;
        offset += segment.length;
      }
      this.endsInNewline = bytes.at(-1) === 10;
    });
  }

  async #readFrom(start: number, take: (bytes: Buffer) => unknown): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(READ, Math.max(1, this.size - start)));
    for (let at = start; at < this.size; ) {
      const { bytesRead } = await this.log.read(buffer, 0, Math.min(buffer.length, this.size - at), at);
      if (bytesRead === 0) throw new Error('A log became shorter while it was read.');
      await take(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }
}

const OPEN = constants.O_RDWR | constants.O_NOFOLLOW;

/** Opens a log, made when missing. Its directory mostly is there. */
async function openNew(path: string): Promise<FileHandle> {
  const opening = () => open(path, OPEN | constants.O_CREAT, 0o600);
  const file = await opening().catch(nullIfMissing);
  if (file) return file;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return opening();
}

interface IndexEnd {
  offset: number;
  newlines: number;
  /** Bytes after `offset` that need no further record. */
  indexed: number;
}

export function indexPath(logPath: string): string {
  return `${logPath}.lines`;
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

export function nullIfMissing(error: unknown): null {
  if ((error as NodeJS.ErrnoException)?.code === 'ENOENT') return null;
  throw error;
}
