import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import type { Database } from '../db/schema.ts';
import { beside } from '../db/turns.ts';
import { Rounds } from '../rounds.ts';
import type { ObjectStore } from '../storage/objects.ts';
import { Growth } from './growth.ts';
import { type LineQuery, type Lines, lineAt, readLines } from './lines.ts';
import { type Appended, type GrowthListener, type LogStore, logKey } from './log.store.ts';
import type { LogContent } from './log-content.ts';
import { appendRows, EMPTY, type LogHead, LogRows, lockHead, RowsGone } from './log-rows.ts';
import { type LogMatch, searchLog } from './search.ts';
import { storeFinished, storeLog } from './store-finished.ts';
import { keysOfLog, StoredLog } from './stored-log.ts';

/** A log is moved once; one that is emptied each time somebody looks is left to its fate. */
const MOST_TRIES = 5;

/** How often it is looked for logs whose attempts have ended. */
const LOOK_MS = 5_000;

/**
 * Logs for several servers: rows of the database while their attempts run, so that they outlive the server they came to;
 * objects in the storage afterwards. Any server appends to and reads any log.
 */
export class SharedLogs implements LogStore {
  readonly #db: Kysely<Database>;
  readonly #reader: Kysely<Database>;
  readonly #objects: ObjectStore;
  readonly #now: () => number;
  readonly #growth = new Growth();
  readonly #rounds: Rounds;

  constructor(o: {
    db: Kysely<Database>;
    reader: Kysely<Database>;
    objects: ObjectStore;
    log: Logger;
    now(): number;
  }) {
    this.#db = o.db;
    this.#reader = o.reader;
    this.#objects = o.objects;
    this.#now = o.now;
    const failed = 'finished logs could not be moved to the storage; they will be';
    this.#rounds = new Rounds({ log: o.log, failed, work: () => this.storeFinished() });
    this.#rounds.every(LOOK_MS);
  }

  async append(attempt: string, offset: number, chunk: Buffer, at: number): Promise<Appended> {
    logKey(attempt);
    // Its head is this transaction's alone.
    const appended = await beside(this.#db).execute(async (trx) => {
      const head = await lockHead(trx, attempt, at);
      if (offset > head.size) return { gapAt: head.size };
      const news = chunk.subarray(head.size - offset);
      if (news.length === 0) return { size: head.size };
      if (head.stored) throw new Error(`The log of attempt ${attempt} is finished: nothing is added to it.`);
      return { size: await appendRows(trx, head, news, at), hasGrown: true };
    });
    if ('gapAt' in appended) return appended;
    if ('hasGrown' in appended) this.#growth.tell(attempt, appended.size, 'here');
    return { size: appended.size };
  }

  async size(attempt: string): Promise<number> {
    const head = await this.#head(attempt);
    if (head) return head.size;
    await using log = await this.#openStored(attempt, head);
    return log?.size ?? 0;
  }

  async seal(attempt: string): Promise<{ size: number; sha256: string }> {
    const head = await this.#head(attempt);
    if (head?.stored && head.sha256 !== null) return { size: head.size, sha256: head.sha256 };
    const hash = createHash('sha256');
    let size = 0;
    for await (const piece of this.#bytes(attempt, { start: 0, end: Number.MAX_SAFE_INTEGER })) {
      hash.update(piece);
      size += piece.length;
    }
    return { size, sha256: hash.digest('hex') };
  }

  async reset(attempt: string): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await lockHead(trx, attempt, this.#now());
      await trx.deleteFrom('log_chunks').where('attempt_id', '=', attempt).execute();
      await trx.updateTable('logs').set(EMPTY).where('attempt_id', '=', attempt).execute();
    });
    this.#growth.tell(attempt, 0, 'here');
  }

  async remove(attempt: string): Promise<void> {
    const { log, index } = keysOfLog(attempt);
    await this.#db.transaction().execute(async (trx) => {
      await trx.deleteFrom('log_chunks').where('attempt_id', '=', attempt).execute();
      await trx.deleteFrom('logs').where('attempt_id', '=', attempt).execute();
    });
    await Promise.all([this.#objects.remove(log), this.#objects.remove(index)]);
  }

  read(attempt: string, range: { start: number; end: number }): Readable {
    return Readable.from(this.#bytes(attempt, range));
  }

  async readInto(attempt: string, into: Buffer, start: number): Promise<number> {
    return this.#read(attempt, 0, (log) => log.readInto(into, start));
  }

  async lines(attempt: string, query: LineQuery): Promise<Lines> {
    return this.#readLines(attempt, { lines: [], total: 0 }, (log) => readLines(log, query));
  }

  async lineAt(attempt: string, offset: number): Promise<number> {
    return this.#readLines(attempt, 1, (log) => lineAt(log, offset));
  }

  async search(attempt: string, text: string, limit: number, signal?: AbortSignal): Promise<LogMatch[]> {
    return this.#read(attempt, [], (log) => searchLog(log, { text, limit, signal }));
  }

  onGrew(listener: GrowthListener): () => void {
    return this.#growth.listen(listener);
  }

  grewElsewhere(attempt: string, size: number): void {
    this.#growth.tell(attempt, size, 'elsewhere');
  }

  /** Moves the logs of ended attempts to the storage, as is done by itself every few seconds; returns how many. */
  async storeFinished(): Promise<number> {
    return storeFinished(this.#db, {
      now: this.#now(),
      store: (attempt) => storeLog({ db: this.#db, objects: this.#objects }, attempt),
      remove: (attempt) => this.remove(attempt),
    });
  }

  async close(): Promise<void> {
    await this.#rounds.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What is there when it is begun; where it is moved meanwhile, the rest comes from the storage. */
  async *#bytes(attempt: string, { start, end }: { start: number; end: number }): AsyncGenerator<Buffer> {
    let at = start;
    for (let tried = 0; ; tried += 1) {
      const head = await this.#head(attempt);
      if (!head || head.stored) {
        const log = await this.#openStored(attempt, head);
        if (log) yield* await log.stream({ start: at, end });
        return;
      }
      try {
        for await (const piece of new LogRows(this.#reader, head).bytes({ start: at, end })) {
          yield piece;
          at += piece.length;
        }
        return;
      } catch (error) {
        if (!(error instanceof RowsGone) || tried === MOST_TRIES) throw error;
      }
    }
  }

  async #readLines<T>(attempt: string, empty: T, read: (log: LogContent) => Promise<T>): Promise<T> {
    return this.#read(attempt, empty, async (log) =>
      read(log instanceof StoredLog ? await log.countLines() : log),
    );
  }

  /** Reads a log from where it is; once more where it was moved under the reader's hands. */
  async #read<T>(attempt: string, empty: T, read: (log: LogContent) => Promise<T>): Promise<T> {
    for (let tried = 0; ; tried += 1) {
      const head = await this.#head(attempt);
      if (!head || head.stored) {
        await using log = await this.#openStored(attempt, head);
        return log ? await read(log) : empty;
      }
      try {
        return await read(new LogRows(this.#reader, head));
      } catch (error) {
        if (!(error instanceof RowsGone) || tried === MOST_TRIES) throw error;
      }
    }
  }

  async #head(attempt: string): Promise<LogHead | undefined> {
    logKey(attempt);
    return this.#reader.selectFrom('logs').selectAll().where('attempt_id', '=', attempt).executeTakeFirst();
  }

  /** A log without a head was finished before logs were shared, or has not begun: then the storage is not asked. */
  async #openStored(attempt: string, head: LogHead | undefined): Promise<StoredLog | null> {
    if (head === undefined && (await this.#isRunning(attempt))) return null;
    return StoredLog.open(this.#objects, attempt);
  }

  async #isRunning(attempt: string): Promise<boolean> {
    const row = await this.#reader
      .selectFrom('attempts')
      .select('status')
      .where('id', '=', attempt)
      .executeTakeFirst();
    return row?.status === 'running';
  }
}
