import { createHash } from 'node:crypto';
import type { PlannedJob } from '@reprise/pipelines/model.ts';
import type { Finish, PackedArtifact } from '@reprise/runner/protocol.ts';
import type { Transaction } from 'kysely';
import type { BlobStore } from '../artifacts/blob.store.ts';
import { endAttempt } from '../builds/end-attempt.ts';
import { newId } from '../db/id.ts';
import type { Database } from '../db/schema.ts';
import { beside, takeTurns } from '../db/turns.ts';
import { afterDeployment } from '../deployments/after.ts';
import { Refusal } from '../http/refusal.ts';
import { keepBlob } from '../retention/removals.ts';
import type { Services } from '../services.ts';
import { findAttempt, type PlacedAttempt, stale, topicsOfAttempt } from './attempt.store.ts';
import { recordSteps } from './steps.ts';

/**
 * Accepts an attempt's one result: steps, artifacts, status, job and build change together or not at all, once the log and
 * every blob are known to be held whole. An identical repeat is accepted again and changes nothing.
 */
export async function finishAttempt(
  services: Services,
  attempt: PlacedAttempt,
  finish: Finish,
): Promise<void> {
  const finishSha256 = createHash('sha256').update(JSON.stringify(finish)).digest('hex');
  if (attempt.status !== 'running') return acceptRepeat(attempt, finishSha256);
  refuseOtherArtifacts(attempt, finish);
  await verifyBlobs(services, finish.artifacts);
  await verifyLog(services, attempt.id, finish);

  const { db, live, queue, now } = services;
  // What the end of a deployment leads to concerns more than its build.
  const turn = attempt.deployment_id === null ? beside(db) : db.transaction();
  const ended = await turn.execute(async (trx) => {
    await takeTurns(trx, { build: attempt.build_id, runner: attempt.runner_id });
    const at = now();
    const running = await trx
      .selectFrom('attempts')
      .select('cancel_requested')
      .where('id', '=', attempt.id)
      .where('status', '=', 'running')
      .executeTakeFirst();
    if (!running) return false;
    await recordSteps(trx, attempt, { reported: finish.steps, now: at });
    const ending = {
      status: finish.status,
      why: finish.why,
      logSize: finish.logSize,
      logSha256: finish.logSha256,
      toolchain: JSON.stringify(finish.toolchain),
      finishSha256,
      deployment: finish.deployment,
    };
    await endAttempt(trx, { ...attempt, ...running }, ending, at);
    await insertArtifacts(trx, attempt, { artifacts: finish.artifacts, now: at });
    return true;
  });
  if (!ended) {
    const fresh = await findAttempt(db, attempt.id);
    if (!fresh) throw stale(attempt.id);
    return acceptRepeat(fresh, finishSha256);
  }
  queue.wake();
  live.changed(...topicsOfAttempt(attempt));
  if (attempt.deployment_id !== null) await afterDeployment(services, attempt);
}

function acceptRepeat(attempt: PlacedAttempt, finishSha256: string): void {
  if (attempt.finish_sha256 !== finishSha256) throw stale(attempt.id);
}

/** A passed job has exactly the artifacts of its plan, under the build's version; any other has none. */
function refuseOtherArtifacts(attempt: PlacedAttempt, { status, artifacts }: Finish): void {
  const { artifacts: planned }: PlannedJob = JSON.parse(attempt.spec ?? '{"artifacts":[]}');
  const expected = status === 'passed' ? planned.map(({ name }) => fileName(name, attempt)).sort() : [];
  const given = artifacts.map((artifact) => artifact.fileName).sort();
  const named = artifacts.every((artifact) => artifact.fileName === fileName(artifact.name, attempt));
  if (named && expected.join() === given.join()) return;
  throw new Refusal(
    400,
    'bad-request',
    `artifacts: a job that ${status} here brings ${expected.join(', ') || 'none'}, not ${given.join(', ') || 'none'}.`,
  );
}

function fileName(artifact: string, { version }: PlacedAttempt): string {
  return `${artifact}-${version}.tar.gz`;
}

async function verifyBlobs({ db, blobs }: Services, artifacts: readonly PackedArtifact[]): Promise<void> {
  for (const { name, sha256, size, manifestSha256 } of artifacts) {
    for (const digest of [sha256, manifestSha256]) await keepBlob(db, digest);
    const held = await heldSize(blobs, sha256);
    if (held === size && (await blobs.has(manifestSha256))) continue;
    const wrong =
      held === null || held === size ? 'is not here whole' : `has ${held} bytes here, not ${size}`;
    const sentence = `The content of artifact ${name} ${wrong}: upload it, then finish again.`;
    throw new Refusal(422, 'digest-mismatch', sentence);
  }
}

/** null: the blob is not here, or damaged. */
async function heldSize(blobs: BlobStore, sha256: string): Promise<number | null> {
  if (!(await blobs.has(sha256))) return null;
  const { size, stream } = await blobs.openVerified(sha256, { start: 0, end: 0 });
  stream.destroy();
  return size;
}

/** Where the log held differs from the runner's, it is asked for again: the rest of it, or all. */
async function verifyLog({ logs }: Services, attempt: string, { logSize, logSha256 }: Finish): Promise<void> {
  const held = await logs.seal(attempt);
  if (held.size === logSize && held.sha256 === logSha256) return;
  const size = held.size < logSize ? held.size : 0;
  if (size === 0) await logs.reset(attempt);
  throw new Refusal(
    416,
    'log-gap',
    `The log held here has ${held.size} bytes and differs from the runner's ${logSize}: send it from ${size}.`,
    { size },
  );
}

async function insertArtifacts(
  trx: Transaction<Database>,
  attempt: PlacedAttempt,
  o: { artifacts: readonly PackedArtifact[]; now: number },
): Promise<void> {
  if (o.artifacts.length === 0) return;
  const rows = o.artifacts.map((artifact) => ({
    id: newId(),
    build_id: attempt.build_id,
    job_id: attempt.job_id,
    attempt_id: attempt.id,
    name: artifact.name,
    file_name: artifact.fileName,
    sha256: artifact.sha256,
    tree_sha256: artifact.treeSha256,
    manifest_sha256: artifact.manifestSha256,
    size: artifact.size,
    created_at: o.now,
  }));
  await trx.insertInto('artifacts').values(rows).execute();
}
