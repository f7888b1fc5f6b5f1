import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Runners that register themselves; of the others, who added them. */
export const registration: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .alterTable('runners')
      .addColumn('registered', 'integer', (c) => c.notNull().defaultTo(0))
      .execute();
    await db.schema
      .alterTable('runners')
      .addColumn('added_by', 'text', (c) => c.notNull().defaultTo(''))
      .execute();
    await sql`update runners set added_by = coalesce((select actor from audit where action = 'runner.add'
      and subject = 'runner ' || runners.name order by seq desc limit 1), '') where embedded = 0`.execute(db);

    await db.schema
      .createTable('retired_tokens')
      .addColumn('token_hash', 'text', (c) => c.primaryKey())
      .addColumn('runner_name', 'text', (c) => c.notNull())
      .addColumn('retired_at', 'bigint', (c) => c.notNull())
      .execute();
  },
};
