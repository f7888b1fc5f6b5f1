import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresDialect,
  type PostgresDialectConfig,
  PostgresDriver,
  type QueryResult,
  sql,
} from 'kysely';
import { types as defaults, Pool, type PoolConfig } from 'pg';
import { crashPoint } from '../crash-point.ts';
import type { Secret } from '../secret.ts';
import { migrate } from './migrate.ts';
import type { Databases } from './open.ts';
import type { Database } from './schema.ts';

/** Older ones are not tested with, and are near the end of their support (postgresql.org/support/versioning). */
const LEAST_VERSION = 15;

/** Every transaction holds it: as in SQLite there is one writer, over all servers. Any number that others do not use. */
const WRITER = 7_237_747_362;

/** Connections of one server. Writers take turns anyway; lists are short. */
const MOST_WRITING = 6;
const MOST_READING = 6;

/** A server that hangs in a transaction would hold all others back. */
const IDLE_IN_TRANSACTION_MS = 15_000;
const STATEMENT_MS = 60_000;
const CONNECT_MS = 10_000;

/** Opens (and migrates) the PostgreSQL database at `url`. Throws a sentence where it cannot be used. */
export async function openPostgres(url: Secret): Promise<Databases> {
  const writing = openPool(url, { max: MOST_WRITING });
  const reading = openPool(url, { max: MOST_READING, options: '-c default_transaction_read_only=on' });
  const db = new Kysely<Database>({ dialect: new OneWriterDialect({ pool: writing }) });
  const reader = new Kysely<Database>({ dialect: new PostgresDialect({ pool: reading }) });
  const close = async () => {
    await reader.destroy();
    await db.destroy();
  };
  try {
    await assertUsable(db);
    await migrate(db);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    db,
    reader,
    async ping() {
      await sql`select 1`.execute(reader);
    },
    close,
  };
}

/** Whole numbers that JavaScript cannot hold would be wrong without a word: instants, sizes and counts are far below. */
function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number))
    throw new Error(`The database holds the number ${text}, which is too large.`);
  return number;
}

const { INT8, NUMERIC } = defaults.builtins;

function openPool(url: Secret, more: PoolConfig): Pool {
  const pool = new Pool({
    connectionString: url.reveal(),
    application_name: 'reprise',
    connectionTimeoutMillis: CONNECT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    statement_timeout: STATEMENT_MS,
    keepAlive: true,
    types: {
      // Counts are INT8, sums of them NUMERIC.
      getTypeParser: (oid, format) =>
        oid === INT8 || oid === NUMERIC ? wholeNumber : defaults.getTypeParser(oid, format),
    },
    ...more,
  });
  // A connection that breaks while nobody uses it is replaced when it is next needed.
  pool.on('error', () => {});
  return pool;
}

async function assertUsable(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ version: number; encoding: string; collation: string; name: string }>`
    select current_setting('server_version_num')::int / 10000 as version, datname as name,
      pg_encoding_to_char(encoding) as encoding, datcollate as collation
    from pg_database where datname = current_database()`
    .execute(db)
    .catch((cause: Error) => {
      throw new Error(`Reprise cannot use the database at DATABASE_URL: ${cause.message}.`, { cause });
    });
  const [found] = rows;
  if (!found) throw new Error('The database at DATABASE_URL does not say what it is.');
  const { version, encoding, collation, name } = found;
  if (version < LEAST_VERSION)
    throw new Error(`PostgreSQL ${version} is too old: ${LEAST_VERSION} or newer is needed.`);
  if (encoding !== 'UTF8' || !/^(C|POSIX|C\.UTF-?8)$/i.test(collation)) {
    throw new Error(
      `The database ${name} has the encoding ${encoding} and the collation ${collation}, in which texts have another order than Reprise expects. Make it with: create database ${name} template template0 encoding 'UTF8' locale 'C'.`,
    );
  }
}

/**
 * What reads and then writes relies on nobody writing in between, as SQLite promises. So here, too, writers take turns:
 * every transaction, and every single statement that changes something, begins with taking the one lock, which its end
 * gives back. Reading waits for nobody.
 */
class OneWriterDialect extends PostgresDialect {
  readonly #config: PostgresDialectConfig;

  constructor(config: PostgresDialectConfig) {
    super(config);
    this.#config = config;
  }

  override createDriver(): Driver {
    return new OneWriterDriver(this.#config);
  }
}

const TAKE_TURN = CompiledQuery.raw(`select pg_advisory_xact_lock(${WRITER})`);
const BEGIN = CompiledQuery.raw('begin');
const COMMIT = CompiledQuery.raw('commit');
const ROLLBACK = CompiledQuery.raw('rollback');
const WRITES = ['InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode', 'MergeQueryNode'];

class OneWriterDriver extends PostgresDriver {
  readonly #connections = new WeakMap<DatabaseConnection, TakingTurns>();

  override async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection();
    const known = this.#connections.get(connection);
    if (known) return known;
    const made = new TakingTurns(connection);
    this.#connections.set(connection, made);
    return made;
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as TakingTurns).begin();
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as TakingTurns).commit();
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as TakingTurns).rollback();
  }

  override async releaseConnection(connection: DatabaseConnection): Promise<void> {
    await super.releaseConnection((connection as TakingTurns).inner as never);
  }
}

class TakingTurns implements DatabaseConnection {
  readonly inner: DatabaseConnection;
  #isInside = false;

  constructor(inner: DatabaseConnection) {
    this.inner = inner;
  }

  async begin(): Promise<void> {
    await this.inner.executeQuery(BEGIN);
    this.#isInside = true;
    await this.inner.executeQuery(TAKE_TURN);
  }

  async commit(): Promise<void> {
    crashPoint('commit');
    await this.inner.executeQuery(COMMIT);
    this.#isInside = false;
    crashPoint('committed');
  }

  async rollback(): Promise<void> {
    this.#isInside = false;
    await this.inner.executeQuery(ROLLBACK);
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#isInside || !WRITES.includes(query.query.kind)) return this.inner.executeQuery(query);
    await this.begin();
    try {
      const result = await this.inner.executeQuery<Row>(query);
      await this.commit();
      return result;
    } catch (error) {
      await this.rollback().catch(() => {}); // Its connection is broken, which ends the transaction as well.
      throw error;
    }
  }

  streamQuery<Row>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<Row>> {
    return this.inner.streamQuery(query, chunkSize);
  }
}
