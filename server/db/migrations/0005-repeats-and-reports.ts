import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** What a promotion repeats and may be, and what GitHub was told. What was there before was never to be told. */
export const repeatsAndReports: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .alterTable('promotions')
      .addColumn('repeats', 'text', (c) => c.references('promotions.id').onDelete('set null'))
      .execute();
    await db.schema
      .alterTable('promotions')
      .addColumn('confirm_older', 'integer', (c) => c.notNull().defaultTo(0))
      .execute();

    await db.schema.alterTable('builds').addColumn('github_told', 'text').execute();
    await db.schema.alterTable('deployments').addColumn('github_told', 'text').execute();
    await db.schema.alterTable('deployments').addColumn('github_id', 'bigint').execute();
    // Only what is still to be told is in them: they stay small however many there are.
    await sql`create index builds_to_tell on builds (seq)
      where github_told is not null and github_told <> status`.execute(db);
    await sql`create index deployments_to_tell on deployments (seq)
      where github_told is not null and github_told <> status`.execute(db);
  },
};
