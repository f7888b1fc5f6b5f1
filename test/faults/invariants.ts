import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isPostgres } from '@reprise/server/db/dialect.ts';
import type { Database } from '@reprise/server/db/schema.ts';
import { type Kysely, sql } from 'kysely';
import { filesWith } from '../rig/canary.ts';
import { allRecords, openRecords } from '../rig/records.ts';
import type { Installation } from './installation.ts';
import { CANARY, printed } from './printed.ts';

/**
 * What must be true of a stopped installation, whatever happened to it; each breach as a sentence. Nothing acknowledged was lost or doubled,
 * each build came to one end by one result, no two attempts of a job overlapped, logs and artifacts are the right bytes, nothing is left
 * over, the secret is nowhere, and the database is sound.
 */
export async function breaches(installation: Installation): Promise<string[]> {
  await using records = await openRecords(installation.rig.dataDir);
  const { db } = records;
  const attempts = await attemptsIn(db);
  return [
    ...(await deliveries(db, installation.pushes.acknowledged)),
    ...(await results(db, attempts)),
    ...overlaps(attempts),
    ...attempts.flatMap((attempt) => logOf(installation, attempt)),
    ...(await artifacts(db, installation)),
    ...leftovers(installation),
    ...(await secrets(db, installation)),
    ...(await soundness(db)),
  ];
}

async function deliveries(
  db: Kysely<Database>,
  acknowledged: ReadonlyMap<string, number>,
): Promise<string[]> {
  const rows = await db.selectFrom('deliveries').select(['guid', 'builds']).execute();
  const recorded = new Map(rows.map(({ guid, builds }) => [guid, JSON.parse(builds) as number[]]));
  const found: string[] = [];
  for (const [guid, build] of acknowledged) {
    const builds = recorded.get(guid);
    if (String(builds) !== String([build]))
      found.push(`delivery ${guid} was answered with #${build} and has ${builds}`);
  }
  const builds = await db.selectFrom('builds').select('id').execute();
  const named = new Set([...recorded.values()].flat());
  if (builds.length !== named.size)
    found.push(`${builds.length} builds were made of ${named.size} deliveries`);
  return found;
}

type Attempt = Awaited<ReturnType<typeof attemptsIn>>[number];

/** In the order in which they were made, with the place in the log where the first step's output begins. */
function attemptsIn(db: Kysely<Database>) {
  return db
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .innerJoin('builds', 'builds.id', 'jobs.build_id')
    .leftJoin('steps', (join) =>
      join.onRef('steps.attempt_id', '=', 'attempts.id').on('steps.position', '=', 0),
    )
    .select(['builds.number as build', 'attempts.number', 'attempts.status', 'attempts.claimed_at'])
    .select(['attempts.finished_at', 'attempts.log_size', 'attempts.log_sha256', 'steps.log_offset'])
    .orderBy('builds.number')
    .orderBy('attempts.number')
    .execute();
}

async function results(db: Kysely<Database>, attempts: readonly Attempt[]): Promise<string[]> {
  const open = await db
    .selectFrom('builds')
    .select(['number', 'status'])
    .where((at) =>
      at.or([at('status', 'in', ['queued', 'running', 'blocked']), at('finished_at', 'is', null)]),
    )
    .execute();
  const accepted = new Map<number, number>();
  for (const { build, status } of attempts) {
    if (status === 'passed' || status === 'failed') accepted.set(build, (accepted.get(build) ?? 0) + 1);
  }
  return [
    ...open.map(({ number, status }) => `#${number} is still ${status}`),
    ...[...accepted]
      .filter(([, count]) => count > 1)
      .map(([build, count]) => `#${build} has ${count} results`),
  ];
}

function overlaps(attempts: readonly Attempt[]): string[] {
  return attempts.flatMap((attempt, at) => {
    const before = attempts[at - 1];
    if (before?.build !== attempt.build) return [];
    const isAfter = before.finished_at !== null && before.finished_at <= attempt.claimed_at;
    return isAfter
      ? []
      : [`attempt ${attempt.number} of #${attempt.build} began before the one before it had ended`];
  });
}

/** A log that was finished is exactly what was recorded of it; a passed one has exactly what its step printed where the step begins. */
function logOf({ answers, shape }: Installation, attempt: Attempt): string[] {
  const bytes = answers.logs.get(`${attempt.build}/${attempt.number}`) ?? Buffer.alloc(0);
  const name = `the log of #${attempt.build}, attempt ${attempt.number}`;
  if (attempt.log_sha256 !== null && sha256(bytes) !== attempt.log_sha256)
    return [`${name} does not have its digest (${bytes.length} bytes, ${attempt.log_size} recorded)`];
  if (attempt.status !== 'passed') return [];
  const expected = Buffer.from(printed(attempt.build, shape.lines));
  const start = attempt.log_offset ?? 0;
  return expected.equals(bytes.subarray(start, start + expected.length))
    ? []
    : [`${name} is not what was printed`];
}

/** The same commit made the same bytes, each time, and they are given out as they were recorded. */
async function artifacts(db: Kysely<Database>, { answers, rig }: Installation): Promise<string[]> {
  const rows = await db
    .selectFrom('artifacts')
    .innerJoin('builds', 'builds.id', 'artifacts.build_id')
    .select(['builds.number', 'artifacts.sha256'])
    .execute();
  const wrong = rows.filter((row) => sha256(answers.artifacts.get(row.number) ?? '') !== row.sha256);
  const incoming = join(rig.dataDir, 'blobs', 'incoming');
  const parts = existsSync(incoming) ? readdirSync(incoming) : [];
  const digests = new Set(rows.map((row) => row.sha256));
  return [
    ...wrong.map(({ number }) => `the artifact of #${number} is not what was recorded`),
    ...parts.map((part) => `${part} is left of an upload`),
    ...(digests.size > 1 ? [`the same commit made ${digests.size} different artifacts`] : []),
  ];
}

function leftovers({ rig, runners }: Installation): string[] {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(`REPRISE_BUILD_URL=${rig.address}/`));
  const workspaces = runners.flatMap(({ name }) => {
    const attempts = rig.path(`runner-${name}`, 'attempts');
    return existsSync(attempts) ? readdirSync(attempts).map((left) => `${name} has left ${left}`) : [];
  });
  return [...processes.map((pid) => `process ${pid} of a step is left`), ...workspaces];
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return ''; // It has ended, or is a kernel's own.
  }
}

async function secrets(db: Kysely<Database>, installation: Installation): Promise<string[]> {
  const { rig, runners, outputs } = installation;
  const texts = [CANARY, Buffer.from(CANARY).toString('base64').slice(0, 24)];
  const has = (text: string) => texts.some((secret) => text.includes(secret));
  const directories = [rig.dataDir, ...runners.map(({ name }) => rig.path(`runner-${name}`))];
  return [
    ...directories.flatMap((directory) => filesWith(directory, texts)),
    ...outputs.filter(has).map(() => 'the output of a process'),
    ...(has(await allRecords(db)) ? ['the records'] : []),
  ].map((place) => `the secret is in ${place}`);
}

/** PostgreSQL holds to its own rules on every commit; of SQLite's file it is asked. */
async function soundness(db: Kysely<Database>): Promise<string[]> {
  if (isPostgres(db)) return [];
  const integrity = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(db);
  const foreign = await sql<object>`pragma foreign_key_check`.execute(db);
  return [
    ...integrity.rows.map((row) => row.integrity_check).filter((found) => found !== 'ok'),
    ...foreign.rows.map((row) => `it points at nothing: ${JSON.stringify(row)}`),
  ].map((found) => `the database is damaged: ${found}`);
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
