import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Priorities and concurrency groups of jobs, superseded builds, runners that are put aside, and schedules. */
export const scheduling: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .alterTable('jobs')
      .addColumn('priority', 'integer', (c) => c.notNull().defaultTo(0))
      .execute();
    await db.schema
      .alterTable('jobs')
      .addColumn('concurrency_group', 'text', (c) => c.notNull().defaultTo(''))
      .execute();
    await db.schema
      .alterTable('jobs')
      .addColumn('concurrency_limit', 'integer', (c) => c.notNull().defaultTo(1))
      .execute();
    await db.schema.alterTable('jobs').addColumn('ready_at', 'bigint').execute();
    await sql`update jobs set ready_at = queued_at where ready = 1`.execute(db);
    await db.schema.dropIndex('jobs_ready').execute();
    await sql`create index jobs_ready on jobs (runs_on, concurrency_group, priority desc, seq)
      where ready = 1`.execute(db);
    await sql`create index jobs_ready_since on jobs (ready_at) where ready = 1`.execute(db);
    await sql`create index jobs_in_group on jobs (concurrency_group)
      where status = 'running' and concurrency_group <> ''`.execute(db);

    await db.schema.alterTable('builds').addColumn('superseded_by', 'integer').execute();

    await db.schema
      .alterTable('runners')
      .addColumn('broken', 'text', (c) => c.notNull().defaultTo('[]'))
      .execute();
    for (const at of ['broken_at', 'aside_since'] as const) {
      await db.schema.alterTable('runners').addColumn(at, 'bigint').execute();
    }
    await db.schema
      .alterTable('runners')
      .addColumn('aside_times', 'integer', (c) => c.notNull().defaultTo(0))
      .execute();
    await db.schema
      .alterTable('runners')
      .addColumn('aside_why', 'text', (c) => c.notNull().defaultTo(''))
      .execute();

    await db.schema
      .createTable('schedules')
      .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
      .addColumn('cron', 'text', (c) => c.notNull())
      .addColumn('timezone', 'text', (c) => c.notNull())
      .addColumn('branch', 'text', (c) => c.notNull())
      .addColumn('due_at', 'bigint', (c) => c.notNull())
      .addColumn('last_build', 'integer')
      .addColumn('obstacle', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('schedules_key', ['project_id', 'cron', 'timezone', 'branch'])
      .execute();
    await db.schema.createIndex('schedules_due').on('schedules').column('due_at').execute();
    await db.schema
      .createTable('schedule_heads')
      .addColumn('project_id', 'text', (c) => c.primaryKey().references('projects.id').onDelete('cascade'))
      .addColumn('commit_sha', 'text', (c) => c.notNull())
      .execute();
  },
};
