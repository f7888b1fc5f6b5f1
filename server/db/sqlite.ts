import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import SQLite from 'better-sqlite3';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  SqliteAdapter,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
} from 'kysely';
import { crashPoint } from '../crash-point.ts';
import { migrate } from './migrate.ts';
import type { Databases } from './open.ts';
import { rememberStatements } from './remember-statements.ts';
import type { Database } from './schema.ts';

/** Below 3.51.3 two connections that checkpoint at once could damage a WAL (sqlite.org/wal.html, "WAL-reset bug"). */
const LEAST_SQLITE = [3, 51, 3] as const;

/** Opens (and makes, and migrates) the SQLite database at `file`. Throws where it is newer than this program or damaged. */
export async function openSqlite(file: string): Promise<Databases> {
  mkdirSync(dirname(file), { recursive: true });
  const writer = new SQLite(file);
  assertVersion(writer);
  prepare(writer);
  const db = new Kysely<Database>({
    dialect: new ImmediateSqliteDialect({ database: rememberStatements(writer) }),
  });
  await migrate(db);
  const reading = new SQLite(file, { readonly: true });
  reading.pragma('busy_timeout = 5000');
  const reader = new Kysely<Database>({
    dialect: new SqliteDialect({ database: rememberStatements(reading) }),
  });
  return {
    db,
    reader,
    async close() {
      await reader.destroy();
      await db.destroy();
    },
  };
}

/** `synchronous` is not stored in the file: an existing WAL database opens as NORMAL unless it is set each time. */
function prepare(sqlite: SQLite.Database): void {
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  sqlite.pragma('foreign_keys = ON');
  sqlite.pragma('busy_timeout = 5000');
  sqlite.pragma('trusted_schema = OFF');
  sqlite.pragma('mmap_size = 0');
  if (sqlite.pragma('synchronous', { simple: true }) !== 2)
    throw new Error('SQLite did not accept synchronous=FULL.');
}

function assertVersion(sqlite: SQLite.Database): void {
  const version = String(sqlite.prepare('select sqlite_version()').pluck().get());
  const parts = version.split('.').map(Number);
  for (const [at, least] of LEAST_SQLITE.entries()) {
    const part = parts[at] ?? 0;
    if (part > least) return;
    if (part < least)
      throw new Error(`SQLite ${version} is too old: ${LEAST_SQLITE.join('.')} or newer is needed.`);
  }
}

/** Takes the write lock when a transaction begins, so that none fails half-way because another wrote first. */
class ImmediateSqliteDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig;

  constructor(config: SqliteDialectConfig) {
    super(config);
    this.#config = config;
  }

  override createDriver(): Driver {
    return new ImmediateSqliteDriver(this.#config);
  }

  override createAdapter(): SqliteAdapter {
    return new TransactionalSqliteAdapter();
  }
}

/**
 * SQLite changes a schema in a transaction like anything else: migrations that are not finished did not happen. So none may need a
 * PRAGMA that a transaction ignores (`foreign_keys`).
 */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class ImmediateSqliteDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    crashPoint('commit');
    await super.commitTransaction(connection);
    crashPoint('committed');
  }

  /**
   * On a full disk SQLite has rolled back by itself (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction"): then what
   * went wrong is to be told, and not that there is nothing left to roll back.
   */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await super.rollbackTransaction(connection).catch((error: Error) => {
      if (!error.message.includes('no transaction is active')) throw error;
    });
  }
}
