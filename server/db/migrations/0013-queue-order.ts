import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Open jobs in the order in which people see them: what runs, then as it is taken. */
export const queueOrder: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema.dropIndex('jobs_open').execute();
    await sql`create index jobs_open on jobs ((status = 'running') desc, priority desc, seq)
      where status in ('queued', 'blocked', 'running')`.execute(db);
  },
};
