import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { numbering } from '../dialect.ts';

export const firstTables: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('projects')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('name', 'text', (c) => c.notNull().unique())
      .addColumn('clone_url', 'text', (c) => c.notNull())
      .addColumn('github', 'text')
      .addColumn('default_branch', 'text')
      .addColumn('webhook_secret', 'text', (c) => c.notNull())
      .addColumn('credential_kind', 'text', (c) => c.notNull())
      .addColumn('credential', 'text')
      .addColumn('public_key', 'text')
      .addColumn('last_build_number', 'integer', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .execute();
    await sql`create index projects_github on projects (lower(github))`.execute(db);

    await db.schema
      .createTable('deliveries')
      .addColumn('seq', ...numbering(db))
      .addColumn('id', 'text', (c) => c.notNull().unique())
      .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
      .addColumn('guid', 'text', (c) => c.notNull())
      .addColumn('event', 'text', (c) => c.notNull())
      .addColumn('action', 'text')
      .addColumn('ref', 'text')
      .addColumn('before_sha', 'text')
      .addColumn('after_sha', 'text')
      .addColumn('ignored', 'text')
      .addColumn('trigger', 'text')
      .addColumn('builds', 'text', (c) => c.notNull().defaultTo('[]'))
      .addColumn('sender', 'text')
      .addColumn('received_at', 'bigint', (c) => c.notNull())
      .addUniqueConstraint('deliveries_guid', ['project_id', 'guid'])
      .execute();
    await db.schema
      .createIndex('deliveries_twins')
      .on('deliveries')
      .columns(['project_id', 'after_sha', 'received_at'])
      .execute();

    await db.schema
      .createTable('builds')
      .addColumn('seq', ...numbering(db))
      .addColumn('id', 'text', (c) => c.notNull().unique())
      .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
      .addColumn('number', 'integer', (c) => c.notNull())
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('why', 'text', (c) => c.notNull())
      .addColumn('commit_sha', 'text', (c) => c.notNull())
      .addColumn('ref', 'text', (c) => c.notNull())
      .addColumn('branch', 'text')
      .addColumn('tag', 'text')
      .addColumn('pull_request', 'text')
      .addColumn('message', 'text', (c) => c.notNull())
      .addColumn('author_name', 'text', (c) => c.notNull())
      .addColumn('author_email', 'text', (c) => c.notNull())
      .addColumn('trigger_kind', 'text', (c) => c.notNull())
      .addColumn('trigger_by', 'text', (c) => c.notNull())
      .addColumn('trigger_reason', 'text', (c) => c.notNull())
      .addColumn('delivery_id', 'text')
      .addColumn('rebuild_of', 'integer')
      .addColumn('pipeline_ref', 'text')
      .addColumn('changed_paths', 'text')
      .addColumn('version', 'text')
      .addColumn('commit_time', 'bigint')
      .addColumn('pipeline_from', 'text')
      .addColumn('plan', 'text')
      .addColumn('plan_sha256', 'text')
      .addColumn('tags', 'text')
      .addColumn('needs_approval', 'integer', (c) => c.notNull())
      .addColumn('approved_by', 'text')
      .addColumn('approved_at', 'bigint')
      .addColumn('cancelled_by', 'text')
      .addColumn('queued_at', 'bigint', (c) => c.notNull())
      .addColumn('planned_at', 'bigint')
      .addColumn('started_at', 'bigint')
      .addColumn('finished_at', 'bigint')
      .addColumn('revision', 'integer', (c) => c.notNull())
      .addUniqueConstraint('builds_number', ['project_id', 'number'])
      .execute();
    for (const filter of ['status', 'branch', 'commit_sha', 'trigger_kind'] as const) {
      await db.schema
        .createIndex(`builds_by_${filter}`)
        .on('builds')
        .columns(['project_id', filter, 'number'])
        .execute();
    }
    await sql`create index builds_to_plan on builds (seq) where planned_at is null and status = 'queued'`.execute(
      db,
    );

    await db.schema
      .createTable('jobs')
      .addColumn('seq', ...numbering(db))
      .addColumn('id', 'text', (c) => c.notNull().unique())
      .addColumn('build_id', 'text', (c) => c.notNull().references('builds.id').onDelete('cascade'))
      .addColumn('position', 'integer', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('why', 'text', (c) => c.notNull())
      .addColumn('needs', 'text', (c) => c.notNull())
      .addColumn('runs_on', 'text', (c) => c.notNull())
      .addColumn('spec', 'text')
      .addColumn('ready', 'integer', (c) => c.notNull())
      .addColumn('attempt', 'integer', (c) => c.notNull())
      .addColumn('lost_attempts', 'integer', (c) => c.notNull())
      .addColumn('retries_left', 'integer', (c) => c.notNull())
      .addColumn('queued_at', 'bigint', (c) => c.notNull())
      .addColumn('started_at', 'bigint')
      .addColumn('finished_at', 'bigint')
      .addUniqueConstraint('jobs_name', ['build_id', 'name'])
      .execute();
    await sql`create index jobs_ready on jobs (runs_on, seq) where ready = 1`.execute(db);
    await sql`create index jobs_open on jobs (seq) where status in ('queued', 'blocked', 'running')`.execute(
      db,
    );

    await db.schema
      .createTable('runners')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('name', 'text', (c) => c.notNull().unique())
      .addColumn('labels', 'text', (c) => c.notNull())
      .addColumn('token_hash', 'text', (c) => c.notNull().unique())
      .addColumn('embedded', 'integer', (c) => c.notNull())
      .addColumn('draining', 'integer', (c) => c.notNull())
      .addColumn('instance', 'text')
      .addColumn('version', 'text')
      .addColumn('sandbox', 'text')
      .addColumn('toolchain', 'text')
      .addColumn('capacity', 'integer', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('last_seen_at', 'bigint')
      .execute();

    await db.schema
      .createTable('attempts')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('job_id', 'text', (c) => c.notNull().references('jobs.id').onDelete('cascade'))
      .addColumn('number', 'integer', (c) => c.notNull())
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('why', 'text', (c) => c.notNull())
      .addColumn('runner_id', 'text', (c) => c.references('runners.id').onDelete('set null'))
      .addColumn('runner_name', 'text', (c) => c.notNull())
      .addColumn('instance', 'text', (c) => c.notNull())
      .addColumn('claim_id', 'text', (c) => c.notNull())
      .addColumn('fence', 'text', (c) => c.notNull())
      .addColumn('git_token_hash', 'text', (c) => c.notNull())
      .addColumn('lease_expires_at', 'bigint', (c) => c.notNull())
      .addColumn('cancel_requested', 'integer', (c) => c.notNull())
      .addColumn('claimed_at', 'bigint', (c) => c.notNull())
      .addColumn('finished_at', 'bigint')
      .addColumn('log_size', 'bigint', (c) => c.notNull())
      .addColumn('log_sha256', 'text')
      .addColumn('toolchain', 'text')
      .addColumn('finish_sha256', 'text')
      .addUniqueConstraint('attempts_number', ['job_id', 'number'])
      .addUniqueConstraint('attempts_claim', ['runner_id', 'claim_id'])
      .execute();
    await sql`create index attempts_running on attempts (runner_id) where status = 'running'`.execute(db);

    await db.schema
      .createTable('steps')
      .addColumn('attempt_id', 'text', (c) => c.notNull().references('attempts.id').onDelete('cascade'))
      .addColumn('position', 'integer', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('exit_code', 'integer')
      .addColumn('started_at', 'bigint')
      .addColumn('finished_at', 'bigint')
      .addColumn('log_offset', 'bigint')
      .addPrimaryKeyConstraint('steps_position', ['attempt_id', 'position'])
      .execute();

    await db.schema
      .createTable('artifacts')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('build_id', 'text', (c) => c.notNull().references('builds.id').onDelete('cascade'))
      .addColumn('job_id', 'text', (c) => c.notNull())
      .addColumn('attempt_id', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('file_name', 'text', (c) => c.notNull())
      .addColumn('sha256', 'text', (c) => c.notNull())
      .addColumn('tree_sha256', 'text', (c) => c.notNull())
      .addColumn('manifest_sha256', 'text', (c) => c.notNull())
      .addColumn('size', 'bigint', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addUniqueConstraint('artifacts_name', ['build_id', 'name'])
      .execute();
  },
};
