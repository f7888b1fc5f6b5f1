import type { Kysely, Selectable, Transaction } from 'kysely';
import type { Database, LogTable } from '../db/schema.ts';
import { countNewlines, type IndexRecord, SEGMENT } from './line-index.ts';
import type { LogContent } from './log-content.ts';

/** What is held of a log. */
export type LogHead = Selectable<LogTable>;

/** Rows fetched at once: pieces can be as small as a line. */
const ROWS = 1000;

/** A log's head, made where there is none, for this transaction alone: appends to one log happen one after the other. */
export async function lockHead(trx: Transaction<Database>, attempt: string, at: number): Promise<LogHead> {
  return trx
    .insertInto('logs')
    .values({ ...EMPTY, attempt_id: attempt, changed_at: at, tried_at: 0 })
    .onConflict((conflict) => conflict.column('attempt_id').doUpdateSet({ changed_at: at }))
    .returningAll()
    .executeTakeFirstOrThrow();
}

export const EMPTY = { size: 0, newlines: 0, ends_in_newline: 1, stored: 0, sha256: null };

/** Adds bytes at the end of a log whose head is locked; returns its new size. */
export async function appendRows(
  trx: Transaction<Database>,
  head: LogHead,
  bytes: Buffer,
  at: number,
): Promise<number> {
  const { attempt_id } = head;
  let { newlines } = head;
  const rows = [];
  for (let from = 0; from < bytes.length; from += SEGMENT) {
    const piece = bytes.subarray(from, from + SEGMENT);
    rows.push({ attempt_id, start: head.size + from, newlines, at, bytes: piece });
    newlines += countNewlines(piece);
  }
  await trx.insertInto('log_chunks').values(rows).execute();
  const size = head.size + bytes.length;
  const ends_in_newline = bytes.at(-1) === 10 ? 1 : 0;
  await trx
    .updateTable('logs')
    .set({ size, newlines, ends_in_newline })
    .where('attempt_id', '=', attempt_id)
    .execute();
  return size;
}

/** A running log, as its head was when it was looked up; what is appended meanwhile is not seen. */
export class LogRows implements LogContent {
  readonly size: number;
  readonly newlines: number;
  readonly lines: number;
  readonly #db: Kysely<Database>;
  readonly #attempt: string;

  constructor(db: Kysely<Database>, head: LogHead) {
    this.#db = db;
    this.#attempt = head.attempt_id;
    this.size = head.size;
    this.newlines = head.newlines;
    this.lines = head.newlines + (head.ends_in_newline === 1 ? 0 : 1);
  }

  async readInto(into: Buffer, start: number): Promise<number> {
    const end = Math.min(this.size, start + into.length);
    let at = start;
    while (at < end) {
      const rows = await this.#db
        .selectFrom('log_chunks')
        .select(['start', 'bytes'])
        .where('attempt_id', '=', this.#attempt)
        .where('start', '>', at - SEGMENT)
        .where('start', '<', end)
        .orderBy('start')
        .limit(ROWS)
        .execute();
      const before = at;
      for (const row of rows) {
        const from = at - row.start;
        if (from >= row.bytes.length) continue;
        if (from < 0) throw gone();
        at += row.bytes.copy(into, at - start, from, from + end - at);
      }
      if (at === before) throw gone();
    }
    return at - start;
  }

  async records(field: 'offset' | 'newlines', most: number, count: number): Promise<IndexRecord[]> {
    if (this.size === 0) return [];
    const column = field === 'offset' ? 'start' : 'newlines';
    const first = this.#db
      .selectFrom('log_chunks')
      .select('start')
      .where('attempt_id', '=', this.#attempt)
      .where(column, '<=', most)
      .orderBy(column, 'desc')
      .orderBy('start', 'desc')
      .limit(1);
    const rows = await this.#db
      .selectFrom('log_chunks')
      .select(['start', 'newlines', 'at'])
      .where('attempt_id', '=', this.#attempt)
      .where('start', '>=', first)
      .orderBy('start')
      .limit(count)
      .execute();
    if (rows.length === 0 && most >= 0) throw gone();
    return rows.map(({ start, newlines, at }) => ({ offset: start, newlines, at }));
  }

  /** All of it, or a range, in pieces of a quarter MiB. */
  async *bytes({ start = 0, end = this.size } = {}): AsyncGenerator<Buffer> {
    const until = Math.min(end, this.size);
    for (let at = start; at < until; ) {
      const piece = Buffer.allocUnsafe(Math.min(256 * 1024, until - at));
      at += await this.readInto(piece, at);
      yield piece;
    }
  }

  /** All records of its index, in order. */
  async *index(): AsyncGenerator<IndexRecord[]> {
    for (let at = 0; at < this.size; ) {
      const page = await this.records('offset', at, ROWS);
      const news = page.filter(({ offset }) => offset >= at);
      yield news;
      at = (news.at(-1)?.offset ?? this.size) + 1;
      if (page.length < ROWS) return;
    }
  }
}

/** The rows are no longer those of the head: the log was stored, or reset, since that was read. Look it up again. */
export class RowsGone extends Error {
  constructor() {
    super('A log was moved or emptied while it was read.');
    this.name = 'RowsGone';
  }
}

function gone(): RowsGone {
  return new RowsGone();
}
