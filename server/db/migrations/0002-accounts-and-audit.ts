import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { isPostgres } from '../dialect.ts';

export const accountsAndAudit: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('users')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('login', 'text', (c) => c.notNull().unique())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('password', 'text')
      .addColumn('github', 'text')
      .addColumn('github_id', 'bigint')
      .addColumn('role', 'text')
      .addColumn('disabled', 'integer', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('last_seen_at', 'bigint')
      .execute();
    await sql`create unique index users_github on users (lower(github)) where github is not null`.execute(db);

    await db.schema
      .createTable('memberships')
      .addColumn('user_id', 'text', (c) => c.notNull().references('users.id').onDelete('cascade'))
      .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id').onDelete('cascade'))
      .addColumn('role', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('memberships_key', ['user_id', 'project_id'])
      .execute();
    await db.schema.createIndex('memberships_project').on('memberships').column('project_id').execute();

    await db.schema
      .createTable('sessions')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('key_hash', 'text', (c) => c.notNull().unique())
      .addColumn('user_id', 'text', (c) => c.notNull().references('users.id').onDelete('cascade'))
      .addColumn('user_agent', 'text', (c) => c.notNull())
      .addColumn('address', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('last_seen_at', 'bigint', (c) => c.notNull())
      .addColumn('expires_at', 'bigint', (c) => c.notNull())
      .execute();
    await db.schema.createIndex('sessions_user').on('sessions').column('user_id').execute();

    await db.schema
      .createTable('tokens')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('key_hash', 'text', (c) => c.notNull().unique())
      .addColumn('user_id', 'text', (c) => c.notNull().references('users.id').onDelete('cascade'))
      .addColumn('project_id', 'text', (c) => c.references('projects.id').onDelete('cascade'))
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('role', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('last_used_at', 'bigint')
      .addColumn('expires_at', 'bigint')
      .addUniqueConstraint('tokens_name', ['user_id', 'name'])
      .execute();

    await db.schema
      .createTable('links')
      .addColumn('key_hash', 'text', (c) => c.primaryKey())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('user_id', 'text', (c) => c.references('users.id').onDelete('cascade'))
      .addColumn('expires_at', 'bigint', (c) => c.notNull())
      .execute();

    await db.schema
      .createTable('audit')
      .addColumn('seq', 'integer', (c) => c.primaryKey())
      .addColumn('at', 'bigint', (c) => c.notNull())
      .addColumn('actor', 'text', (c) => c.notNull())
      .addColumn('via', 'text', (c) => c.notNull())
      .addColumn('action', 'text', (c) => c.notNull())
      .addColumn('project', 'text')
      .addColumn('subject', 'text', (c) => c.notNull())
      .addColumn('reason', 'text', (c) => c.notNull())
      .addColumn('detail', 'text', (c) => c.notNull())
      .addColumn('previous_hash', 'text', (c) => c.notNull())
      .addColumn('hash', 'text', (c) => c.notNull())
      .execute();
    for (const filter of ['project', 'actor', 'action'] as const) {
      await db.schema.createIndex(`audit_by_${filter}`).on('audit').columns([filter, 'seq']).execute();
    }
    await refuseChanges(db);

    await db.schema
      .alterTable('projects')
      .addColumn('public', 'integer', (c) => c.notNull().defaultTo(0))
      .execute();
    // With `seq`, which is the row's number in SQLite and so in every index: a project's newest deliveries without looking at others'.
    await db.schema
      .createIndex('deliveries_project')
      .on('deliveries')
      .columns(isPostgres(db) ? ['project_id', 'seq'] : ['project_id'])
      .execute();
    // All that is asked of a project's last builds to choose which to show, without their rows: those hold the plans.
    await db.schema
      .createIndex('builds_newest')
      .on('builds')
      .columns(['project_id', 'number', 'status', 'branch'])
      .execute();
  },
};

/** Whoever has only the program's rights cannot change what was recorded, either. */
async function refuseChanges(db: Kysely<unknown>): Promise<void> {
  if (isPostgres(db)) {
    await sql`create function audit_is_append_only() returns trigger language plpgsql as
      $$ begin raise exception 'The audit is append-only.'; end $$`.execute(db);
    await sql`create trigger audit_no_change before update or delete or truncate on audit
      for each statement execute function audit_is_append_only()`.execute(db);
    return;
  }
  for (const change of ['update', 'delete']) {
    await sql`create trigger ${sql.raw(`audit_no_${change}`)} before ${sql.raw(change)} on audit
      begin select raise(abort, 'The audit is append-only.'); end`.execute(db);
  }
}
