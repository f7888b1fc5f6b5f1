import type { PostgresPool, PostgresPoolClient } from 'kysely';
import { DatabaseError, types as defaults, Pool, type PoolClient, type PoolConfig } from 'pg';
import type { Secret } from '../secret.ts';
import { DatabaseAway } from './away.ts';
import { statementNames } from './named-statements.ts';

/** A server that hangs in a transaction would hold all others back. */
const IDLE_IN_TRANSACTION_MS = 15_000;
/** The database gives up a statement first; that it does not even say so means that the way there is cut. */
const STATEMENT_MS = 60_000;
const ANSWER_MS = STATEMENT_MS + 5_000;
const CONNECT_MS = 10_000;
/** A connection costs some milliseconds to make, and the database a process. */
const IDLE_MS = 60_000;

/**
 * Connections to the PostgreSQL at `url`, as kysely takes them. What keeps a statement from being answered is a
 * `DatabaseAway`, and its connection is not used again; what the database refuses is its own `DatabaseError`. `more`
 * overrides settings.
 */
export function openPool(url: Secret, more: PoolConfig): PostgresPool {
  const pool = new Pool({
    connectionString: url.reveal(),
    application_name: 'reprise',
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: IDLE_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    statement_timeout: STATEMENT_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    types: {
      // Counts are INT8, sums of them NUMERIC.
      getTypeParser: (oid, format) =>
        oid === INT8 || oid === NUMERIC ? wholeNumber : defaults.getTypeParser(oid, format),
    },
    ...more,
  });
  // One that breaks between two statements says so at the next; one that nobody uses is replaced.
  pool.on('connect', (client) => void client.on('error', () => {}));
  pool.on('error', () => {});
  return new PatientPool(pool);
}

const { INT8, NUMERIC } = defaults.builtins;

/** Whole numbers that JavaScript cannot hold would be wrong without a word: instants, sizes and counts are far below. */
function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number))
    throw new Error(`The database holds the number ${text}, which is too large.`);
  return number;
}

class PatientPool implements PostgresPool {
  readonly options = {};
  readonly #pool: Pool;
  readonly #clients = new WeakMap<PoolClient, PatientClient>();
  readonly #names = statementNames();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async connect(): Promise<PostgresPoolClient> {
    const client = await this.#pool.connect().catch((error: Error) => {
      throw asAway(error);
    });
    const known = this.#clients.get(client) ?? new PatientClient(client, this.#names);
    this.#clients.set(client, known);
    return known;
  }

  end(): Promise<void> {
    return this.#pool.end();
  }
}

class PatientClient implements PostgresPoolClient {
  readonly #client: PoolClient;
  readonly #nameOf: ReturnType<typeof statementNames>;
  #isBroken = false;

  constructor(client: PoolClient, nameOf: ReturnType<typeof statementNames>) {
    this.#client = client;
    this.#nameOf = nameOf;
  }

  // Results that come piece by piece (a cursor instead of a text) are not configured, so nobody asks for any.
  readonly query = (async (text: string, values: unknown[] = []) => {
    try {
      const name = this.#nameOf(text, values.length);
      return await this.#client.query({ ...(name && { name }), text, values: values.map(withoutNul) });
    } catch (error) {
      const said = asAway(error as Error);
      this.#isBroken ||= said instanceof DatabaseAway;
      throw said;
    }
  }) as unknown as PostgresPoolClient['query'];

  release(destroy = false): void {
    this.#client.release(destroy || this.#isBroken);
  }
}

/**
 * A value as PostgreSQL takes it: its texts can hold every character but NUL, which nobody writes. The sign for what cannot be shown
 * stands for it.
 */
export function withoutNul(value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll('\0', '\uFFFD') : value;
}

/**
 * Of what the database says itself: it goes down or comes up, has no connection left, or has ended this one or its statement
 * because of their time (postgresql.org/docs/current/errcodes-appendix.html).
 */
const SAID_AWAY = /^(08...|57P0.|57014|53300|25P03)$/;

/** A newer server has added columns meanwhile, which the statements of this connection do not know: another one's will. */
const TABLE_CHANGED = 'RevalidateCachedQuery';

/** What is no answer of the database comes from the way there: refused, cut, too late. */
function asAway(error: Error): Error {
  const isSaid = error instanceof DatabaseError;
  if (isSaid && !SAID_AWAY.test(error.code ?? '') && error.routine !== TABLE_CHANGED) return error;
  return new DatabaseAway('The database does not answer. Nothing was changed; try again.', error);
}
