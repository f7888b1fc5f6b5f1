import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Bundles of pinned commits in the storage, and which commits no bundle has yet. */
export const bundles: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('bundles')
      .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
      .addColumn('number', 'integer', (c) => c.notNull())
      .addColumn('sha256', 'text', (c) => c.notNull())
      .addColumn('size', 'bigint', (c) => c.notNull())
      .addColumn('made_at', 'bigint', (c) => c.notNull())
      .addColumn('damaged_at', 'bigint')
      .addPrimaryKeyConstraint('bundles_key', ['project_id', 'number'])
      .execute();
    await db.schema.createIndex('bundles_sha256').on('bundles').column('sha256').execute();

    await db.schema
      .createTable('bundled_commits')
      .addColumn('project_id', 'text', (c) => c.notNull())
      .addColumn('commit_sha', 'text', (c) => c.notNull())
      .addColumn('bundle', 'integer', (c) => c.notNull())
      .addPrimaryKeyConstraint('bundled_commits_key', ['project_id', 'commit_sha'])
      .addForeignKeyConstraint(
        'bundled_commits_bundle',
        ['project_id', 'bundle'],
        'bundles',
        ['project_id', 'number'],
        (c) => c.onDelete('cascade'),
      )
      .execute();
    await db.schema
      .createIndex('bundled_commits_of')
      .on('bundled_commits')
      .columns(['project_id', 'bundle'])
      .execute();

    await db.schema
      .alterTable('builds')
      .addColumn('bundle_due_at', 'bigint', (c) => c.defaultTo(0))
      .execute();
    await sql`create index builds_to_bundle on builds (project_id, bundle_due_at)
      where bundle_due_at is not null`.execute(db);
  },
};
