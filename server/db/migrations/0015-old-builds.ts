import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Builds that hold something, by their end: a build that is too old is found behind one that was retried. */
export const oldBuilds: Migration = {
  async up(db: Kysely<unknown>) {
    await sql`create index builds_held_ended on builds (project_id, finished_at, number)
      where removed_at is null and measured_at is not null`.execute(db);
  },
};
