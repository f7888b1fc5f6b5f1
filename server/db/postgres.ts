import { HandleEmptyInListsPlugin, Kysely, replaceWithNoncontingentExpression, sql } from 'kysely';
import type { DatabaseError } from 'pg';
import type { Secret } from '../secret.ts';
import { DatabaseAway } from './away.ts';
import { migrate } from './migrate.ts';
import { OneWriterDialect } from './one-writer.ts';
import type { Databases } from './open.ts';
import { openPool } from './postgres-pool.ts';
import type { Database } from './schema.ts';
import { WideDialect } from './wide-integers.ts';

/** Older ones are not tested with, and are near the end of their support (postgresql.org/support/versioning). */
const LEAST_VERSION = 15;

/** Connections of one server. Writers take turns anyway; lists are short. */
const MOST_WRITING = 6;
const MOST_READING = 6;

/** A plan for any value would not know which of them an index finds few rows for: those made for all took 30 times as long. */
const PLANNED = '-c plan_cache_mode=force_custom_plan';

/** Opens (and migrates) the PostgreSQL database at `url`. Throws a sentence where it cannot be used. */
export async function openPostgres(url: Secret): Promise<Databases> {
  await prepare(url);
  const writing = openPool(url, { max: MOST_WRITING, options: PLANNED });
  const reading = openPool(url, {
    max: MOST_READING,
    options: `${PLANNED} -c default_transaction_read_only=on`,
  });
  // SQLite takes an empty list for what nothing is in.
  const plugins = [new HandleEmptyInListsPlugin({ strategy: replaceWithNoncontingentExpression })];
  const db = new Kysely<Database>({ dialect: new OneWriterDialect({ pool: writing }), plugins });
  const reader = new Kysely<Database>({ dialect: new WideDialect({ pool: reading }), plugins });
  return {
    db,
    reader,
    async close() {
      await reader.destroy();
      await db.destroy();
    },
  };
}

/** Of several servers that start at once one migrates; the others wait for it, however long it takes. */
async function prepare(url: Secret): Promise<void> {
  const patient = { max: 2, statement_timeout: 0, query_timeout: 0, idle_in_transaction_session_timeout: 0 };
  const db = new Kysely<Database>({ dialect: new WideDialect({ pool: openPool(url, patient) }) });
  try {
    await assertUsable(db);
    await migrate(db);
  } finally {
    await db.destroy();
  }
}

interface Found {
  name: string;
  encoding: string;
  /** `c`: the C library's, `b`: PostgreSQL's own (17 and newer), `i`: ICU's. */
  provider: string;
  collation: string;
}

async function assertUsable(db: Kysely<Database>): Promise<void> {
  const version = await versionOf(db);
  if (version < LEAST_VERSION)
    throw new Error(`PostgreSQL ${version} is too old: ${LEAST_VERSION} or newer is needed.`);
  const { rows } = await sql<Found>`
    select datname as name, pg_encoding_to_char(encoding) as encoding, datlocprovider as provider, datcollate as collation
    from pg_database where datname = current_database()`.execute(db);
  for (const { name, encoding, provider, collation } of rows) {
    const isByBytes = provider === 'b' || (provider === 'c' && /^(C|POSIX|C\.UTF-?8)$/i.test(collation));
    if (encoding === 'UTF8' && isByBytes) continue;
    const order = provider === 'i' ? 'ICU' : collation;
    throw new Error(
      `The database ${name} (encoding ${encoding}, collation ${order}) does not order texts as Reprise does. Use a new one: ${howToMake(name)}`,
    );
  }
}

async function versionOf(db: Kysely<Database>): Promise<number> {
  try {
    const { rows } = await sql<{ number: string }>`show server_version_num`.execute(db);
    return Math.floor(Number(Object.values(rows[0] ?? {})[0]) / 10_000);
  } catch (error) {
    throw new Error(`The database at DATABASE_URL cannot be used: ${whyNot(error)}`, { cause: error });
  }
}

function howToMake(name: string): string {
  return `create database ${name} template template0 encoding 'UTF8' locale 'C'.`;
}

function whyNot(error: unknown): string {
  const cause = (error instanceof DatabaseAway ? error.cause : error) as Partial<DatabaseError>;
  // An address that stands for several has an error of each, and none of its own.
  const said = `${cause.message || cause.code}.`;
  if (cause.code === '3D000') return `${said} Make it with: ${howToMake('…')}`;
  if (error instanceof DatabaseAway && !/^[0-9A-Z]{5}$/.test(cause.code ?? ''))
    return `${said} Is PostgreSQL running, and is that its address?`;
  return said;
}
