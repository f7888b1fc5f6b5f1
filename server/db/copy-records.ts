import { createHash, type Hash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { canonicalJson } from '../audit/chain.ts';
import { withoutNul } from './postgres-pool.ts';
import type { Database } from './schema.ts';

/** Rows read, written and compared at once. */
const PAGE = 500;

/** A table as SQLite describes it. */
interface Table {
  name: string;
  columns: string[];
  /** Columns that tell its rows apart, in order. */
  key: string[];
  /** Tables whose rows its rows name. */
  needs: string[];
}

type Row = Record<string, unknown>;

/** A copy that is not what it was copied from, or cannot be made: a sentence for whoever asked. */
export class CopyFault extends Error {}

/**
 * Copies every row of a SQLite database into an empty PostgreSQL database of the same version, in one transaction, and compares both row
 * by row before it is committed: whatever goes wrong, the target stays empty. Returns the number of rows by table. The source must not
 * be written to meanwhile. Throws `CopyFault` where the target holds something, or a row came out different.
 */
export async function copyRecords(o: {
  from: Kysely<Database>;
  to: Kysely<Database>;
}): Promise<Map<string, number>> {
  const tables = inOrder(await tablesOf(o.from));
  return o.to.transaction().execute(async (trx) => {
    for (const table of tables) await assertEmpty(trx, table);
    const counts = new Map<string, number>();
    for (const table of tables) {
      let count = 0;
      for await (const rows of pagesOf(o.from, table)) {
        await sql`insert into ${sql.table(table.name)} (${sql.join(table.columns.map((name) => sql.ref(name)))})
          values ${sql.join(rows.map((row) => sql`(${sql.join(table.columns.map((name) => row[name]))})`))}`.execute(
          trx,
        );
        count += rows.length;
      }
      counts.set(table.name, count);
      await assertSame(o.from, trx, table);
    }
    await goOnNumbering(o.from, trx);
    return counts;
  });
}

async function tablesOf(db: Kysely<Database>): Promise<Table[]> {
  const { rows } = await sql<{ name: string }>`select name from sqlite_master
    where type = 'table' and name not like 'sqlite%' and name not like 'kysely%' order by name`.execute(db);
  return Promise.all(
    rows.map(async ({ name }) => {
      const columns = await sql<{
        name: string;
        pk: number;
      }>`select name, pk from pragma_table_info(${name})`.execute(db);
      const needs = await sql<{
        table: string;
      }>`select "table" from pragma_foreign_key_list(${name})`.execute(db);
      const key = columns.rows.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
      return {
        name,
        columns: columns.rows.map((column) => column.name),
        key: key.map((column) => column.name),
        needs: needs.rows.map(({ table }) => table).filter((table) => table !== name),
      };
    }),
  );
}

/** A table comes after those that it names; rows that name others of their own table were made after them. */
function inOrder(tables: readonly Table[]): Table[] {
  const left = [...tables];
  const done: Table[] = [];
  while (left.length > 0) {
    const at = left.findIndex(({ needs }) =>
      needs.every((name) => done.some((table) => table.name === name)),
    );
    if (at < 0)
      throw new CopyFault(
        `The tables ${left.map(({ name }) => name).join(', ')} name each other in a circle.`,
      );
    done.push(...left.splice(at, 1));
  }
  return done;
}

async function assertEmpty(db: Kysely<Database>, { name }: Table): Promise<void> {
  const { rows } = await sql`select 1 from ${sql.table(name)} limit 1`.execute(db);
  if (rows.length > 0)
    throw new CopyFault(
      `The database at DATABASE_URL is not empty: its table ${name} has rows. Give it an empty one.`,
    );
}

/** All rows in the order of their key, a page at a time. */
async function* pagesOf(db: Kysely<Database>, { name, columns, key }: Table): AsyncGenerator<Row[]> {
  const chosen = sql.join(columns.map((column) => sql.ref(column)));
  const keys = sql.join(key.map((column) => sql.ref(column)));
  for (let last: Row | undefined; ; ) {
    const after = last;
    const from = after ? sql`where (${keys}) > (${sql.join(key.map((column) => after[column]))})` : sql``;
    const { rows } =
      await sql<Row>`select ${chosen} from ${sql.table(name)} ${from} order by ${keys} limit ${PAGE}`.execute(
        db,
      );
    if (rows.length > 0) yield rows;
    if (rows.length < PAGE) return;
    last = rows.at(-1);
  }
}

async function assertSame(from: Kysely<Database>, to: Kysely<Database>, table: Table): Promise<void> {
  const [before, after] = [pagesOf(from, table), pagesOf(to, table)];
  for (;;) {
    const [one, other] = [await before.next(), await after.next()];
    if (digestOf(one.value) !== digestOf(other.value))
      throw new CopyFault(
        `The rows of ${table.name} came out different, from ${placeIn(table, one.value ?? other.value)} on.`,
      );
    if (one.done || other.done) return;
  }
}

function digestOf(rows: readonly Row[] | undefined): string {
  const hash: Hash = createHash('sha256');
  for (const row of rows ?? []) hash.update(canonicalJson(plain(row))).update('\n');
  return hash.digest('hex');
}

/** Bytes come as another kind of array from each engine, and PostgreSQL's texts hold no NUL. */
function plain(row: Row): object {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value).toString('base64') : withoutNul(value),
    ]),
  );
}

function placeIn({ key }: Table, rows: readonly Row[] | undefined): string {
  const [first] = rows ?? [];
  return first ? key.map((column) => `${column} ${first[column]}`).join(', ') : 'the beginning';
}

/** New rows get numbers after all that were ever given, also of rows that are gone. */
async function goOnNumbering(from: Kysely<Database>, to: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ name: string; seq: number }>`select name, seq from sqlite_sequence`.execute(
    from,
  );
  for (const { name, seq } of rows) {
    if (seq > 0) await sql`select setval(pg_get_serial_sequence(${name}, 'seq'), ${seq})`.execute(to);
  }
}
