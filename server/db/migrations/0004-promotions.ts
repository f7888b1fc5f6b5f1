import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { numbering } from '../dialect.ts';

export const promotions: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('host_keys')
      .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
      .addColumn('host', 'text', (c) => c.notNull())
      .addColumn('keys', 'text', (c) => c.notNull())
      .addColumn('pinned_by', 'text', (c) => c.notNull())
      .addColumn('pinned_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('host_keys_key', ['project_id', 'host'])
      .execute();

    await db.schema
      .createTable('policies')
      .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
      .addColumn('environment', 'text', (c) => c.notNull())
      .addColumn('rules', 'text', (c) => c.notNull())
      .addColumn('updated_by', 'text', (c) => c.notNull())
      .addColumn('updated_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('policies_key', ['project_id', 'environment'])
      .execute();

    await db.schema
      .createTable('promotions')
      .addColumn('seq', ...numbering(db))
      .addColumn('id', 'text', (c) => c.notNull().unique())
      .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
      .addColumn('environment', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('build_id', 'text', (c) => c.notNull().references('builds.id'))
      .addColumn('artifact_id', 'text', (c) => c.notNull().references('artifacts.id'))
      .addColumn('sha256', 'text', (c) => c.notNull())
      .addColumn('config', 'text', (c) => c.notNull())
      .addColumn('config_commit', 'text', (c) => c.notNull())
      .addColumn('bound_sha256', 'text', (c) => c.notNull())
      .addColumn('rollback_to', 'text')
      .addColumn('asked_by', 'text', (c) => c.notNull())
      .addColumn('asked_via', 'text', (c) => c.notNull())
      .addColumn('asked_by_user', 'text')
      .addColumn('reason', 'text', (c) => c.notNull())
      .addColumn('approvals_needed', 'integer', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('why', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('decided_at', 'bigint')
      .execute();
    await db.schema
      .createIndex('promotions_place')
      .on('promotions')
      .columns(['project_id', 'environment', 'seq'])
      .execute();
    await sql`create index promotions_open on promotions (state, seq) where state in ('waiting', 'approved')`.execute(
      db,
    );

    await db.schema
      .createTable('approvals')
      .addColumn('promotion_id', 'text', (c) => c.notNull().references('promotions.id').onDelete('cascade'))
      .addColumn('approver', 'text', (c) => c.notNull())
      .addColumn('by', 'text', (c) => c.notNull())
      .addColumn('via', 'text', (c) => c.notNull())
      .addColumn('comment', 'text', (c) => c.notNull())
      .addColumn('bound_sha256', 'text', (c) => c.notNull())
      .addColumn('at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('approvals_key', ['promotion_id', 'approver'])
      .execute();

    await db.schema
      .createTable('deployments')
      .addColumn('seq', ...numbering(db))
      .addColumn('id', 'text', (c) => c.notNull().unique())
      .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
      .addColumn('environment', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('promotion_id', 'text', (c) => c.notNull().references('promotions.id').onDelete('cascade'))
      .addColumn('release', 'text', (c) => c.notNull())
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('why', 'text', (c) => c.notNull())
      .addColumn('result', 'text')
      .addColumn('queued_at', 'bigint', (c) => c.notNull())
      .addColumn('started_at', 'bigint')
      .addColumn('finished_at', 'bigint')
      .execute();
    await db.schema
      .createIndex('deployments_place')
      .on('deployments')
      .columns(['project_id', 'environment', 'seq'])
      .execute();
    // One at a time to each place: the database itself refuses a second.
    await sql`create unique index deployments_active on deployments (project_id, environment)
      where status in ('queued', 'running')`.execute(db);

    await db.schema
      .createTable('deployment_records')
      .addColumn('deployment_id', 'text', (c) => c.notNull().references('deployments.id').onDelete('cascade'))
      .addColumn('seq', 'integer', (c) => c.notNull())
      .addColumn('record', 'text', (c) => c.notNull())
      .addColumn('at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('deployment_records_key', ['deployment_id', 'seq'])
      .execute();

    await db.schema
      .createTable('host_states')
      .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
      .addColumn('environment', 'text', (c) => c.notNull())
      .addColumn('host', 'text', (c) => c.notNull())
      .addColumn('promotion_id', 'text', (c) => c.references('promotions.id').onDelete('set null'))
      .addColumn('release', 'text')
      .addColumn('digest', 'text')
      .addColumn('healthy', 'integer')
      .addColumn('since', 'bigint')
      .addColumn('is_known', 'integer', (c) => c.notNull())
      .addColumn('probe', 'text')
      .addColumn('probed_at', 'bigint')
      .addPrimaryKeyConstraint('host_states_key', ['project_id', 'environment', 'host'])
      .execute();

    await db.schema
      .alterTable('jobs')
      .addColumn('deployment_id', 'text', (c) => c.references('deployments.id').onDelete('cascade'))
      .execute();
    await sql`create unique index jobs_deployment on jobs (deployment_id) where deployment_id is not null`.execute(
      db,
    );
  },
};
