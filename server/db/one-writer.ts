import {
  AbortedTransactionError,
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type PostgresDialectConfig,
  PostgresDriver,
  type QueryResult,
  type TransactionSettings,
} from 'kysely';
import { crashPoint } from '../crash-point.ts';
import { DatabaseAway } from './away.ts';
import { BESIDE } from './turns.ts';
import { WideDialect } from './wide-integers.ts';

/**
 * What reads and then writes relies on nobody writing in between, as SQLite promises. So here, too, writers take turns, over
 * all servers: every transaction, and every single insert, update and delete, begins with taking the one lock, which its end
 * gives back. Those that bear each other (`turns.ts`) have it together. Reading waits for nobody.
 */
export class OneWriterDialect extends WideDialect {
  readonly #config: PostgresDialectConfig;

  constructor(config: PostgresDialectConfig) {
    super(config);
    this.#config = config;
  }

  override createDriver(): Driver {
    return new OneWriterDriver(this.#config);
  }
}

/** Any number that nothing else in the database locks. */
const WRITER = 7_237_747_362;

/** In one message. Each statement after it sees what was committed before the lock was given. */
const TAKE_TURN = CompiledQuery.raw(`begin; select pg_advisory_xact_lock(${WRITER})`);
const TAKE_TURN_BESIDE = CompiledQuery.raw(`begin; select pg_advisory_xact_lock_shared(${WRITER})`);
const COMMIT = CompiledQuery.raw('commit');
const ROLLBACK = CompiledQuery.raw('rollback');
const WRITES = ['InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode', 'MergeQueryNode'];

class OneWriterDriver extends PostgresDriver {
  readonly #connections = new WeakMap<DatabaseConnection, TakingTurns>();

  override async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection();
    const known = this.#connections.get(connection) ?? new TakingTurns(connection);
    this.#connections.set(connection, known);
    return known;
  }

  override async beginTransaction(
    connection: DatabaseConnection,
    { isolationLevel }: TransactionSettings,
  ): Promise<void> {
    await (connection as TakingTurns).begin(isolationLevel === BESIDE ? TAKE_TURN_BESIDE : TAKE_TURN);
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as TakingTurns).commit();
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as TakingTurns).rollback();
  }

  override async releaseConnection(connection: DatabaseConnection): Promise<void> {
    await super.releaseConnection((connection as TakingTurns).inner as Released);
  }
}

type Released = Parameters<PostgresDriver['releaseConnection']>[0];

class TakingTurns implements DatabaseConnection {
  readonly inner: DatabaseConnection;
  #isInside = false;

  constructor(inner: DatabaseConnection) {
    this.inner = inner;
  }

  async begin(takeTurn = TAKE_TURN): Promise<void> {
    this.#isInside = true;
    try {
      await this.inner.executeQuery(takeTurn);
    } catch (error) {
      await this.rollback();
      throw error;
    }
  }

  async commit(): Promise<void> {
    crashPoint('commit');
    try {
      const { rows } = await this.inner.executeQuery<{ command: string }>(COMMIT);
      // A statement had failed, and who asked for it did not mind.
      if (rows[0]?.command === 'ROLLBACK') throw new AbortedTransactionError();
    } catch (error) {
      if (!(error instanceof DatabaseAway)) throw error;
      throw new DatabaseAway('The database broke off at the last moment. Look whether it was done.', error);
    }
    this.#isInside = false;
    crashPoint('committed');
  }

  async rollback(): Promise<void> {
    this.#isInside = false;
    // Where not even this is answered the connection is broken, and the transaction over.
    await this.inner.executeQuery(ROLLBACK).catch(() => {});
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#isInside || !WRITES.includes(query.query.kind)) return this.inner.executeQuery(query);
    await this.begin();
    try {
      const result = await this.inner.executeQuery<Row>(query);
      await this.commit();
      return result;
    } catch (error) {
      await this.rollback();
      throw error;
    }
  }

  streamQuery<Row>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<Row>> {
    return this.inner.streamQuery(query, chunkSize);
  }
}
