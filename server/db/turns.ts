import { type Kysely, sql, type Transaction, type TransactionBuilder } from 'kysely';
import { isPostgres } from './dialect.ts';
import type { Database } from './schema.ts';

/** How a transaction says that it bears others beside it: what SQL calls it to see what they commit meanwhile. */
export const BESIDE = 'read committed';

/**
 * A transaction for what is done often by many: it takes turns with every ordinary one, but not with its like. What it reads and then
 * relies on, others of its like must not change meanwhile, or only in a turn that both take. SQLite has one writer anyway.
 */
export function beside(db: Kysely<Database>): TransactionBuilder<Database> {
  return db.transaction().setIsolationLevel(BESIDE);
}

/** What transactions that run beside each other may need for themselves; who needs several takes them in this order. */
export interface Turns {
  /** To choose a job: which is next, and whether its group has room. */
  claims?: true;
  /** With its jobs, their attempts and steps. */
  build?: string;
  runner?: string | null;
}

/** Waits for these turns, and has them until the transaction is over. */
export async function takeTurns(trx: Transaction<Database>, turns: Turns): Promise<void> {
  if (!isPostgres(trx)) return;
  const names = [turns.claims && 'claims', turns.build, turns.runner].filter(
    (name) => typeof name === 'string',
  );
  const locks = names.map((name) => sql`pg_advisory_xact_lock(hashtextextended(${name}, 0))`);
  await sql`select ${sql.join(locks)}`.execute(trx);
}
