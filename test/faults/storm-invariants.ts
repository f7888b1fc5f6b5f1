import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { filesWith } from '../rig/canary.ts';
import { allRecords } from '../rig/records.ts';
import { ADMIN_TOKEN } from '../rig/reprise.ts';
import { CANARY, printed } from './printed.ts';
import { LINES, PROJECT, type Storm, seedOf } from './storm.ts';

/** What became of the jobs, and each breach of what must be true as a sentence. */
export interface Outcome {
  finishedOnce: number;
  /** Attempts that jobs needed beyond their first. */
  again: number;
  logs: number;
  rightLogs: number;
  breaches: string[];
}

/**
 * Looks at what a storm left: what was acknowledged is a build each, every job passed, by one attempt, beside no other attempt of it, and
 * every log is, byte by byte, what was printed.
 */
export async function outcomeOf(storm: Storm): Promise<Outcome> {
  const attempts = await attemptsIn(storm);
  const passed = Map.groupBy(
    attempts.filter(({ status }) => status === 'passed'),
    ({ job_id }) => job_id,
  );
  const results = [...passed.values()];
  const outcome: Outcome = {
    finishedOnce: results.filter(({ length }) => length === 1).length,
    again: attempts.filter(({ number }) => number > 1).length,
    logs: attempts.length,
    rightLogs: 0,
    breaches: [
      ...(await deliveries(storm)),
      ...(await unfinished(storm)),
      ...results.filter(({ length }) => length > 1).map(([one]) => `${nameOf(one)} has two results`),
      ...overlaps(attempts),
    ],
  };
  for (const attempt of attempts) {
    const wrong = wrongIn(await logOf(storm, attempt), attempt);
    outcome.rightLogs += wrong.length === 0 ? 1 : 0;
    outcome.breaches.push(...wrong);
  }
  return outcome;
}

/** What a storm that was stopped must not have left: processes of its steps, and the secret anywhere. */
export async function leftBehind({ cluster, lines, outputs, records }: Storm): Promise<string[]> {
  const texts = [CANARY, Buffer.from(CANARY).toString('base64').slice(0, 24)];
  const has = (text: string) => texts.some((secret) => text.includes(secret));
  const directories = ['server-0', 'server-1', ...[...lines.keys()].map((name) => `runner-${name}`)];
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(`REPRISE_BUILD_URL=${cluster.address}/`));
  return [
    ...processes.map((pid) => `process ${pid} of a step is left`),
    ...directories
      .flatMap((name) => filesWith(cluster.path(name), texts))
      .map((file) => `the secret is in ${file}`),
    ...outputs.filter(has).map(() => 'the secret is in the output of a process'),
    ...(has(await allRecords(records)) ? ['the secret is in the records'] : []),
  ];
}

type Attempt = Awaited<ReturnType<typeof attemptsIn>>[number];

/** Those of a job one after the other, with the place in the log where its step's output begins. */
function attemptsIn({ records }: Storm) {
  return records
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .innerJoin('builds', 'builds.id', 'jobs.build_id')
    .leftJoin('steps', (join) =>
      join.onRef('steps.attempt_id', '=', 'attempts.id').on('steps.position', '=', 0),
    )
    .select(['builds.number as build', 'jobs.name as job', 'job_id', 'attempts.number', 'attempts.status'])
    .select(['attempts.claimed_at', 'attempts.finished_at', 'log_sha256', 'log_size', 'steps.log_offset'])
    .orderBy('jobs.seq')
    .orderBy('attempts.number')
    .execute();
}

async function deliveries({ records, pushes }: Storm): Promise<string[]> {
  const rows = await records.selectFrom('deliveries').select(['guid', 'builds']).execute();
  const recorded = new Map(rows.map(({ guid, builds }) => [guid, builds]));
  const builds = await records.selectFrom('builds').select('id').execute();
  const found = [...pushes.acknowledged]
    .filter(([guid, build]) => recorded.get(guid) !== JSON.stringify([build]))
    .map(([guid, build]) => `delivery ${guid} was answered with #${build} and has ${recorded.get(guid)}`);
  if (builds.length !== pushes.builds.length)
    found.push(`${pushes.builds.length} builds were promised and ${builds.length} made`);
  return found;
}

async function unfinished({ records, jobs }: Storm): Promise<string[]> {
  const builds = await records
    .selectFrom('builds')
    .select(['number', 'status', 'why'])
    .where('status', '!=', 'passed')
    .execute();
  const rows = await records
    .selectFrom('jobs')
    .innerJoin('builds', 'builds.id', 'jobs.build_id')
    .select(['builds.number', 'jobs.name', 'jobs.status', 'jobs.why'])
    .execute();
  return [
    ...builds.map(({ number, status, why }) => `#${number} is ${status}: ${why}`),
    ...rows
      .filter(({ status }) => status !== 'passed')
      .map(({ number, name, status, why }) => `${name} of #${number} is ${status}: ${why}`),
    ...(rows.length === jobs ? [] : [`there are ${rows.length} jobs instead of ${jobs}`]),
  ];
}

function overlaps(attempts: readonly Attempt[]): string[] {
  return attempts
    .filter((attempt, at) => {
      const before = attempts[at - 1];
      if (before?.job_id !== attempt.job_id) return false;
      return before.finished_at === null || before.finished_at > attempt.claimed_at;
    })
    .map((attempt) => `${nameOf(attempt)} began before the attempt before it had ended`);
}

async function logOf({ cluster }: Storm, { build, job, number }: Attempt): Promise<Buffer> {
  const path = `/api/projects/${PROJECT}/builds/${build}/jobs/${job}/log?attempt=${number}`;
  const response = await fetch(`${cluster.address}${path}`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
}

/** One that was finished is exactly what was recorded of it; one that passed ends with exactly what its step prints. */
function wrongIn(log: Buffer, attempt: Attempt): string[] {
  const isRecorded = log.length === attempt.log_size;
  if (!isRecorded || (attempt.log_sha256 !== null && sha256(log) !== attempt.log_sha256))
    return [
      `the log of ${nameOf(attempt)} does not have its digest (${log.length} bytes of ${attempt.log_size})`,
    ];
  if (attempt.status !== 'passed') return [];
  const expected = printed(seedOf(attempt.build, Number(attempt.job.slice(1))), LINES);
  return sha256(log.subarray(attempt.log_offset ?? 0)) === sha256(expected)
    ? []
    : [`the log of ${nameOf(attempt)} is not what was printed`];
}

function nameOf(attempt: Attempt | undefined): string {
  return `attempt ${attempt?.number} of ${attempt?.job} of #${attempt?.build}`;
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return ''; // It has ended, or is a kernel's own.
  }
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
