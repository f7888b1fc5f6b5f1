import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** What of a project is kept and for how long, what builds hold, pins, and bytes that are to be removed; looks at upstreams. */
export const retention: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema.alterTable('projects').addColumn('retention', 'text').execute();
    for (const counter of ['held_builds', 'held_bytes'] as const) {
      await db.schema
        .alterTable('projects')
        .addColumn(counter, 'bigint', (c) => c.notNull().defaultTo(0))
        .execute();
    }

    await db.schema
      .alterTable('builds')
      .addColumn('held_bytes', 'bigint', (c) => c.notNull().defaultTo(0))
      .execute();
    for (const at of ['measured_at', 'pinned_at', 'removed_at'] as const) {
      await db.schema.alterTable('builds').addColumn(at, 'bigint').execute();
    }
    for (const words of ['pinned_by', 'pinned_reason', 'removed_why'] as const) {
      await db.schema
        .alterTable('builds')
        .addColumn(words, 'text', (c) => c.notNull().defaultTo(''))
        .execute();
    }
    await sql`create index builds_held on builds (project_id, number)
      where removed_at is null and measured_at is not null`.execute(db);
    await sql`create index builds_to_measure on builds (finished_at)
      where removed_at is null and finished_at is not null
        and (measured_at is null or measured_at < finished_at)`.execute(db);
    await sql`create index builds_passed on builds (project_id, branch, number)
      where status = 'passed' and removed_at is null`.execute(db);

    await db.schema.createIndex('promotions_build').on('promotions').column('build_id').execute();
    await db.schema.createIndex('artifacts_sha256').on('artifacts').column('sha256').execute();
    await db.schema.createIndex('artifacts_manifest').on('artifacts').column('manifest_sha256').execute();
    await sql`create index deployments_probes on deployments (queued_at) where kind = 'probe'`.execute(db);

    await db.schema
      .createTable('removals')
      .addColumn('store', 'text', (c) => c.notNull())
      .addColumn('key', 'text', (c) => c.notNull())
      .addColumn('due_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('removals_key', ['store', 'key'])
      .execute();
    await db.schema.createIndex('removals_due').on('removals').column('due_at').execute();

    await db.schema
      .createTable('lookouts')
      .addColumn('project_id', 'text', (c) => c.primaryKey().references('projects.id').onDelete('cascade'))
      .addColumn('due_at', 'bigint', (c) => c.notNull())
      .addColumn('remembered', 'text', (c) => c.notNull())
      .execute();
    await db.schema.createIndex('lookouts_due').on('lookouts').column('due_at').execute();
  },
};
