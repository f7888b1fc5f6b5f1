import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import SQLite from 'better-sqlite3';
import { filesWith } from '../rig/canary.ts';
import type { Installation } from './installation.ts';
import { CANARY, printed } from './printed.ts';

interface Attempt {
  id: string;
  build: number;
  number: number;
  status: string;
  claimed_at: number;
  finished_at: number | null;
  log_size: number;
  log_sha256: string | null;
  /** Where the first step's output begins. */
  offset: number | null;
}

/**
 * What must be true of a stopped installation, whatever happened to it; each breach as a sentence. Nothing acknowledged was lost or doubled,
 * each build came to one end by one result, no two attempts of a job overlapped, logs and artifacts are the right bytes, nothing is left
 * over, the secret is nowhere, and the database is sound.
 */
export function breaches(installation: Installation): string[] {
  const db = new SQLite(join(installation.dataDir, 'reprise.db'), { readonly: true });
  try {
    const attempts = attemptsIn(db);
    return [
      ...deliveries(db, installation.pushes.acknowledged),
      ...results(db, attempts),
      ...overlaps(attempts),
      ...attempts.flatMap((attempt) => logOf(installation, attempt)),
      ...artifacts(db, installation),
      ...leftovers(installation),
      ...secrets(installation),
      ...soundness(db),
    ];
  } finally {
    db.close();
  }
}

function deliveries(db: SQLite.Database, acknowledged: ReadonlyMap<string, number>): string[] {
  const recorded = new Map(
    db
      .prepare('select guid, builds from deliveries')
      .all()
      .map((row) => {
        const { guid, builds } = row as { guid: string; builds: string };
        return [guid, JSON.parse(builds) as number[]] as const;
      }),
  );
  const found: string[] = [];
  for (const [guid, build] of acknowledged) {
    const builds = recorded.get(guid);
    if (String(builds) !== String([build]))
      found.push(`delivery ${guid} was answered with #${build} and has ${builds}`);
  }
  const { count } = db.prepare('select count(*) as count from builds').get() as { count: number };
  const named = new Set([...recorded.values()].flat());
  if (count !== named.size) found.push(`${count} builds were made of ${named.size} deliveries`);
  return found;
}

function attemptsIn(db: SQLite.Database): Attempt[] {
  return db
    .prepare(
      `select attempts.*, builds.number as build,
         (select log_offset from steps where attempt_id = attempts.id and position = 0) as offset
       from attempts join jobs on jobs.id = attempts.job_id join builds on builds.id = jobs.build_id
       order by builds.number, attempts.number`,
    )
    .all() as Attempt[];
}

function results(db: SQLite.Database, attempts: readonly Attempt[]): string[] {
  const open = db
    .prepare(
      `select number, status from builds where status in ('queued', 'running', 'blocked') or finished_at is null`,
    )
    .all() as { number: number; status: string }[];
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
  const start = attempt.offset ?? 0;
  return expected.equals(bytes.subarray(start, start + expected.length))
    ? []
    : [`${name} is not what was printed`];
}

/** The same commit made the same bytes, each time, and they are given out as they were recorded. */
function artifacts(db: SQLite.Database, { answers, dataDir }: Installation): string[] {
  const rows = db
    .prepare('select builds.number, sha256 from artifacts join builds on builds.id = artifacts.build_id')
    .all() as { number: number; sha256: string }[];
  const wrong = rows.filter((row) => sha256(answers.artifacts.get(row.number) ?? '') !== row.sha256);
  const incoming = join(dataDir, 'blobs', 'incoming');
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

function secrets({ rig, dataDir, runners, outputs }: Installation): string[] {
  const texts = [CANARY, Buffer.from(CANARY).toString('base64').slice(0, 24)];
  const places = [dataDir, ...runners.map(({ name }) => rig.path(`runner-${name}`))];
  const files = places.flatMap((place) => filesWith(place, texts));
  const printed = outputs.filter((output) => texts.some((text) => output.includes(text)));
  return [...files, ...printed.map(() => 'the output of a process')].map(
    (place) => `the secret is in ${place}`,
  );
}

function soundness(db: SQLite.Database): string[] {
  const integrity = db.pragma('integrity_check', { simple: true });
  const foreign = db.pragma('foreign_key_check') as object[];
  return [
    ...(integrity === 'ok' ? [] : [`the database is damaged: ${integrity}`]),
    ...foreign.map((row) => `the database points at nothing: ${JSON.stringify(row)}`),
  ];
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
