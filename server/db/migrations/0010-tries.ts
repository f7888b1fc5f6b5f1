import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Failed tries, which all servers count together. */
export const tries: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('tries')
      .addColumn('key', 'text', (c) => c.primaryKey())
      .addColumn('count', 'integer', (c) => c.notNull())
      .addColumn('ends_at', 'bigint', (c) => c.notNull())
      .execute();
    await db.schema.createIndex('tries_ends_at').on('tries').column('ends_at').execute();
  },
};
