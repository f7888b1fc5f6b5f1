import { createReadStream, mkdirSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Growth } from './growth.ts';
import { type LineQuery, type Lines, lineAt, readLines } from './lines.ts';
import { type Appended, type GrowthListener, type LogStore, logKey } from './log.store.ts';
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
 * Logs for one server: of each one file of bytes exactly as written, and beside it an index of lines and times. Writes to one
 * log happen one after the other; reads never wait for them. A log stays where it is when its attempt has ended.
 */
export class DirectoryLogs implements LogStore {
  readonly #dir: string;
  readonly #open = new Map<string, OpenLog>();
  readonly #growth = new Growth();
  readonly #sweep: NodeJS.Timeout;

  constructor({ dir }: { dir: string }) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#sweep = setInterval(() => this.#closeIdle(IDLE_MS), IDLE_MS / 4).unref();
  }

  /** A full disk is a `Refusal` 507 that leaves the log as it was. Survives the machine's death once sealed. */
  async append(attempt: string, offset: number, chunk: Buffer, at: number): Promise<Appended> {
    return this.#write(attempt, async (file) => {
      if (offset > file.size) return { gapAt: file.size };
      const news = chunk.subarray(file.size - offset);
      if (news.length === 0) return { size: file.size };
      await file.append(news, at);
      this.#growth.tell(attempt, file.size, 'here');
      return { size: file.size };
    });
  }

  async size(attempt: string): Promise<number> {
    const open = this.#open.get(attempt);
    if (open) return (await open.file)?.size ?? 0;
    return (await stat(this.#path(attempt)).catch(nullIfMissing))?.size ?? 0;
  }

  async seal(attempt: string): Promise<{ size: number; sha256: string }> {
    const sealed = await this.#write(attempt, async (file) => {
      const sha256 = await file.sha256();
      await file.sync();
      return { size: file.size, sha256 };
    });
    this.#closeIdle(0, attempt);
    return sealed;
  }

  async reset(attempt: string): Promise<void> {
    await this.#write(attempt, (file) => file.reset());
    this.#growth.tell(attempt, 0, 'here');
  }

  async remove(attempt: string): Promise<void> {
    await this.#write(attempt, async () => {
      const path = this.#path(attempt);
      await Promise.all([rm(path, { force: true }), rm(indexPath(path), { force: true })]);
    });
    this.#closeIdle(0, attempt);
  }

  read(attempt: string, { start, end }: { start: number; end: number }): Readable {
    if (start >= end) return Readable.from([]);
    return createReadStream(this.#path(attempt), { start, end: end - 1, highWaterMark: 256 * 1024 });
  }

  async readInto(attempt: string, into: Buffer, start: number): Promise<number> {
    return this.#read(attempt, 0, (file) => file.readInto(into, start));
  }

  async lines(attempt: string, query: LineQuery): Promise<Lines> {
    return this.#read(attempt, { lines: [], total: 0 }, (file) => readLines(file, query));
  }

  async lineAt(attempt: string, offset: number): Promise<number> {
    return this.#read(attempt, 1, (file) => lineAt(file, offset));
  }

  async search(attempt: string, text: string, limit: number, signal?: AbortSignal): Promise<LogMatch[]> {
    return this.#read(attempt, [], (file) => searchLog(file, { text, limit, signal }));
  }

  onGrew(listener: GrowthListener): () => void {
    return this.#growth.listen(listener);
  }

  grewElsewhere(attempt: string, size: number): void {
    this.#growth.tell(attempt, size, 'elsewhere');
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
    return join(this.#dir, logKey(attempt));
  }
}
