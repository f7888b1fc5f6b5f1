import type { PlannedJob } from '@reprise/pipelines/model.ts';
import { isPostgres } from '@reprise/server/db/dialect.ts';
import type { Database } from '@reprise/server/db/schema.ts';
import { type RawBuilder, sql, type Transaction } from 'kysely';
import { openRecords } from '../rig/records.ts';
import type { Rig } from '../rig/reprise.ts';

const STEP = { run: 'true', env: {}, timeoutMs: null, workingDirectory: null, shell: null, network: 'none' };

const JOB = {
  name: 'test',
  runsOn: ['linux'],
  needs: [],
  env: {},
  timeoutMs: 3_600_000,
  retry: 0,
  workingDirectory: null,
  network: 'none',
  artifacts: [],
  inputs: [],
  steps: [{ name: 'true', ...STEP }],
} as PlannedJob;

/**
 * Stops the server, gives the project so many builds of one job, straight into the database as that many pushes would
 * have left it, and starts the server again. `queued`: they wait for a runner; else they have passed, with an attempt.
 */
export async function seedBuilds(
  rig: Rig,
  project: string,
  o: { builds: number; status: 'queued' | 'passed' },
): Promise<void> {
  await rig.server.stop();
  await insert(rig.path('data'), project, o);
  await rig.startServer();
}

async function insert(
  dataDir: string,
  project: string,
  o: { builds: number; status: 'queued' | 'passed' },
): Promise<void> {
  await using records = await openRecords(dataDir);
  await records.db.transaction().execute(async (trx) => {
    await insertBuilds(trx, project, o);
    await insertJobs(trx, o.status);
    if (o.status === 'passed') await insertAttempts(trx);
  });
  // PostgreSQL does so by itself within a minute or so of such a change.
  if (isPostgres(records.db)) await sql`analyze`.execute(records.db);
}

/** Ids are random, as they really are: rows that belong together lie apart in the indexes. */
function hex(db: Transaction<Database>, digits: 24 | 40 | 64): RawBuilder<string> {
  if (!isPostgres(db)) return sql`lower(hex(randomblob(${sql.lit(digits / 2)})))`;
  return sql`substr(md5(random()::text) || md5(random()::text), 1, ${sql.lit(digits)})`;
}

const FIRST_AT = 1_780_000_000_000;

async function insertBuilds(
  trx: Transaction<Database>,
  project: string,
  { builds, status }: { builds: number; status: 'queued' | 'passed' },
): Promise<void> {
  const at = sql`${sql.lit(FIRST_AT)} + n * 1000`;
  const [started, finished] =
    status === 'passed' ? [sql`${at} + 10`, sql`${at} + 500`] : [sql`null`, sql`null`];
  await sql`
    with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ${sql.lit(builds)})
    insert into builds (
      id, project_id, number, status, why, commit_sha, ref, branch, message, author_name, author_email, trigger_kind,
      trigger_by, trigger_reason, version, commit_time, pipeline_from, plan, plan_sha256, tags, needs_approval,
      queued_at, planned_at, started_at, finished_at, revision
    )
    select
      ${hex(trx, 24)}, projects.id, last_build_number + n, ${status}, '', ${hex(trx, 40)}, 'refs/heads/main', 'main',
      'Change number ' || n || ${'\n\nWith a body that says why it was made.'}, 'Ada Example',
      'ada@example.test', 'push', 'ada', '', '1.2.' || n, ${sql.lit(FIRST_AT / 1000)} + n, 'commit',
      ${JSON.stringify({ jobs: [JOB] })}, ${hex(trx, 64)}, '[]', 0, ${at}, ${at}, ${started}, ${finished}, 3
    from numbers, projects where projects.name = ${project}`.execute(trx);
  await trx
    .updateTable('projects')
    .set((eb) => ({ last_build_number: eb('last_build_number', '+', builds) }))
    .where('name', '=', project)
    .execute();
}

async function insertJobs(trx: Transaction<Database>, status: 'queued' | 'passed'): Promise<void> {
  const [ready, attempt] = status === 'queued' ? [1, 0] : [0, 1];
  await sql`
    insert into jobs (
      id, build_id, position, name, status, why, needs, runs_on, spec, ready, attempt, lost_attempts, retries_left,
      queued_at, started_at, finished_at
    )
    select
      ${hex(trx, 24)}, id, 0, ${JOB.name}, ${status}, '', '[]', '["linux"]', ${JSON.stringify(JOB)},
      ${sql.lit(ready)}, ${sql.lit(attempt)}, 0, 0, queued_at, started_at, finished_at
    from builds where id not in (select build_id from jobs) order by seq`.execute(trx);
}

async function insertAttempts(trx: Transaction<Database>): Promise<void> {
  await sql`
    insert into attempts (
      id, job_id, number, status, why, runner_name, instance, claim_id, fence, git_token_hash, lease_expires_at,
      cancel_requested, claimed_at, finished_at, log_size
    )
    select ${hex(trx, 24)}, id, 1, 'passed', '', 'gone', '', '', '', '', started_at, 0, started_at, finished_at, 1000
    from jobs order by seq`.execute(trx);
  await sql`
    insert into steps (attempt_id, position, name, status, exit_code, started_at, finished_at, log_offset)
    select id, 0, 'true', 'passed', 0, claimed_at, finished_at, 0 from attempts`.execute(trx);
}
