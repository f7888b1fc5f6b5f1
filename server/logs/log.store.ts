import { createReadStream, mkdirSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type LineQuery, type Lines, lineAt, readLines } from './lines.ts';
import { indexPath, LogFile, nullIfMissing } from './log-file.ts';
import { type LogMatch, searchLog } from './search.ts';

/** Files of a log nobody used for this long are closed; a finished log's at once. */
const IDLE_MS = 60_000;

/** Logs kept open at once (two descriptors each); the longest unused is closed first. */
const MOST_OPEN = 256;

interface OpenLog {
  file: Promise<LogFile | null>;
  /** Ends when the last write asked for so far has ended. */
  writes: Promise<unknown>;
  users: number;
  usedAt: number;
}

/**
 * Every attempt's log: one file of bytes exactly as written, and beside it an index of lines and times. A log only grows
 * (`append`), until it is sealed. Writes to one log happen one after the other; reads never wait for them, and see
 * everything that was appended before.
 */
export class LogStore implements AsyncDisposable {
  readonly #dir: string;
  readonly #open = new Map<string, OpenLog>();
  readonly #listeners = new Set<(attempt: string, size: number) => void>();
  readonly #sweep: NodeJS.Timeout;

  constructor({ dir }: { dir: string }) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#sweep = setInterval(() => this.#closeIdle(IDLE_MS), IDLE_MS / 4).unref();
  }

  /**
   * Adds bytes at `offset`, which came `at` (ms since 1970). Bytes already held are not looked at again, so a repeat is a
   * no-op; an offset beyond the end is a gap, answered with where to continue. A full disk is a `Refusal` 507 that leaves the
   * log as it was. Survives the server's death when it resolves; survives the machine's once sealed.
   */
  async append(
    attempt: string,
    offset: number,
    chunk: Buffer,
    at: number,
  ): Promise<{ size: number } | { gapAt: number }> {
    return this.#write(attempt, async (file) => {
      if (offset > file.size) return { gapAt: file.size };
      const news = chunk.subarray(file.size - offset);
      if (news.length === 0) return { size: file.size };
      await file.append(news, at);
      this.#grew(attempt, file.size);
      return { size: file.size };
    });
  }

  /** Bytes held; 0 for a log nobody has written to. */
  async size(attempt: string): Promise<number> {
    const open = this.#open.get(attempt);
    if (open) return (await open.file)?.size ?? 0;
    return (await stat(this.#path(attempt)).catch(nullIfMissing))?.size ?? 0;
  }

  /** Makes the log durable and says what is held. Appending may go on afterwards; a repeat reads the log once. */
  async seal(attempt: string): Promise<{ size: number; sha256: string }> {
    const sealed = await this.#write(attempt, async (file) => {
      const sha256 = await file.sha256();
      await file.sync();
      return { size: file.size, sha256 };
    });
    this.#closeIdle(0, attempt);
    return sealed;
  }

  /** Empties a log whose bytes turned out to differ from the runner's, to be sent again from the beginning. */
  async reset(attempt: string): Promise<void> {
    await this.#write(attempt, (file) => file.reset());
    this.#grew(attempt, 0);
  }

  async remove(attempt: string): Promise<void> {
    await this.#write(attempt, async () => {
      const path = this.#path(attempt);
      await Promise.all([rm(path, { force: true }), rm(indexPath(path), { force: true })]);
    });
    this.#closeIdle(0, attempt);
  }

  /** The bytes from `start` to before `end` (cut to what is held), in pieces of a quarter MiB. */
  read(attempt: string, { start, end }: { start: number; end: number }): Readable {
    if (start >= end) return Readable.from([]);
    return createReadStream(this.#path(attempt), { start, end: end - 1, highWaterMark: 256 * 1024 });
  }

  /**
   * Fills `into` with the bytes from `start` on; returns how many there were. For those who read again and again: it
   * allocates nothing, and the file stays open.
   */
  async readInto(attempt: string, into: Buffer, start: number): Promise<number> {
    return this.#read(attempt, 0, async (file) => {
      const length = Math.max(0, Math.min(into.length, file.size - start));
      return length === 0 ? 0 : (await file.log.read(into, 0, length, start)).bytesRead;
    });
  }

  /** Some lines, and how many there are; found through the index, wherever they are. */
  async lines(attempt: string, query: LineQuery): Promise<Lines> {
    return this.#read(attempt, { lines: [], total: 0 }, (file) => readLines(file, query));
  }

  /** The number, from 1, of the line that the byte at `offset` belongs to. */
  async lineAt(attempt: string, offset: number): Promise<number> {
    return this.#read(attempt, 1, (file) => lineAt(file, offset));
  }

  /** The first `limit` lines that hold `text`, whatever the case. Reads the log once, in small pieces; `signal` ends it. */
  async search(attempt: string, text: string, limit: number, signal?: AbortSignal): Promise<LogMatch[]> {
    return this.#read(attempt, [], (file) => searchLog(file, { text, limit, signal }));
  }

  /** Calls back after each append with the log's new size (0 after a reset); returns how to stop. */
  onGrew(listener: (attempt: string, size: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends what is being written, then closes every file. */
  async close(): Promise<void> {
    clearInterval(this.#sweep);
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const log of open) {
      await log.writes;
      await (await log.file)?.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #grew(attempt: string, size: number): void {
    for (const listener of this.#listeners) listener(attempt, size);
  }

  async #write<T>(attempt: string, work: (file: LogFile) => Promise<T>): Promise<T> {
    const log = this.#use(attempt, true);
    const result = log.writes.then(async () => {
      const file = (await log.file) ?? (await this.#setFile(attempt, log, true));
      if (!file) throw new Error(`The log of attempt ${attempt} could not be made.`);
      return work(file);
    });
    log.writes = result.catch(() => {});
    return result.finally(() => this.#release(attempt, log));
  }

  async #read<T>(attempt: string, empty: T, work: (file: LogFile) => Promise<T>): Promise<T> {
    const log = this.#use(attempt, false);
    try {
      const file = await log.file;
      return file ? await work(file) : empty;
    } finally {
      this.#release(attempt, log);
    }
  }

  #use(attempt: string, create: boolean): OpenLog {
    let log = this.#open.get(attempt);
    if (!log) {
      log = { file: Promise.resolve(null), writes: Promise.resolve(), users: 0, usedAt: 0 };
      this.#open.set(attempt, log);
      this.#setFile(attempt, log, create);
      if (this.#open.size > MOST_OPEN) this.#closeOldest();
    }
    log.users += 1;
    return log;
  }

  /** A file that could not be opened is forgotten, so that the next call tries again. */
  #setFile(attempt: string, log: OpenLog, create: boolean): OpenLog['file'] {
    log.file = this.#openFile(attempt, create);
    log.file.catch(() => {
      if (this.#open.get(attempt) === log) this.#open.delete(attempt);
    });
    return log.file;
  }

  #release(attempt: string, log: OpenLog): void {
    log.users -= 1;
    log.usedAt = performance.now();
    if (this.#open.get(attempt) !== log) return;
    // The longest unused comes first.
    this.#open.delete(attempt);
    this.#open.set(attempt, log);
  }

  async #openFile(attempt: string, create: boolean): OpenLog['file'] {
    return LogFile.open(this.#path(attempt), { create });
  }

  #closeIdle(idleMs: number, only?: string): void {
    const before = performance.now() - idleMs;
    for (const [attempt, log] of only === undefined ? this.#open : [[only, this.#open.get(only)] as const])
      if (log && log.users === 0 && log.usedAt <= before) this.#closeOne(attempt, log);
  }

  #closeOldest(): void {
    for (const [attempt, log] of this.#open) {
      if (log.users > 0) continue;
      this.#closeOne(attempt, log);
      return;
    }
  }

  #closeOne(attempt: string, log: OpenLog): void {
    this.#open.delete(attempt);
    log.file.then((file) => file?.close()).catch(() => {});
  }

  /** A directory per last two characters of the id (ids are random) keeps directories small. */
  #path(attempt: string): string {
    if (!/^[0-9a-z]{8,40}$/.test(attempt)) throw new Error(`"${attempt}" is not the id of an attempt.`);
    return join(this.#dir, attempt.slice(-2), `${attempt}.log`);
  }
}
