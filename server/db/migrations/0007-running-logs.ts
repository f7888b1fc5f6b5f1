import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Logs while their attempts run, where several servers share them: what is held of each, and its bytes in pieces. */
export const runningLogs: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('logs')
      .addColumn('attempt_id', 'text', (c) => c.primaryKey())
      .addColumn('size', 'bigint', (c) => c.notNull())
      .addColumn('newlines', 'bigint', (c) => c.notNull())
      .addColumn('ends_in_newline', 'integer', (c) => c.notNull())
      .addColumn('changed_at', 'bigint', (c) => c.notNull())
      .addColumn('stored', 'integer', (c) => c.notNull())
      .addColumn('sha256', 'text')
      .addColumn('tried_at', 'bigint', (c) => c.notNull())
      .execute();
    // The few that are still to be moved to the storage.
    await sql`create index logs_to_store on logs (tried_at) where stored = 0`.execute(db);

    // No reference to `logs`: what is removed is removed by who removes both.
    await db.schema
      .createTable('log_chunks')
      .addColumn('attempt_id', 'text', (c) => c.notNull())
      .addColumn('start', 'bigint', (c) => c.notNull())
      .addColumn('newlines', 'bigint', (c) => c.notNull())
      .addColumn('at', 'bigint', (c) => c.notNull())
      .addColumn('bytes', 'bytea', (c) => c.notNull())
      .addPrimaryKeyConstraint('log_chunks_key', ['attempt_id', 'start'])
      .execute();
    await db.schema
      .createIndex('log_chunks_by_line')
      .on('log_chunks')
      .columns(['attempt_id', 'newlines', 'start'])
      .execute();
  },
};
