import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Which engines a server has, so that another one that has others does not join it. */
export const enginesOfServers: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .alterTable('servers')
      .addColumn('engines', 'text', (c) => c.notNull().defaultTo('{}'))
      .execute();
  },
};
