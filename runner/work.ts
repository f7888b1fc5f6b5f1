import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttemptClient } from './attempt-client.ts';
import { type AttemptDirectory, emptyAttemptDirectory } from './attempt-directory.ts';
import type { FetchedCommit, Mirrors } from './checkout/mirrors.ts';
import { writeGitDirectory } from './checkout/workspace.ts';
import { Refused } from './client.ts';
import type { Assignment, PackedArtifact } from './protocol.ts';
import type { AttemptRecord } from './record.ts';
import type { Sandbox, Slot } from './sandbox/sandbox.ts';
import { CheckoutFailed } from './step.ts';
import { runSteps } from './steps.ts';
import type { Verdict } from './verdict.ts';

export interface WorkOptions {
  assignment: Assignment;
  directory: AttemptDirectory;
  record: AttemptRecord;
  server: AttemptClient;
  sandbox: Sandbox;
  slot: Slot;
  mirrors: Mirrors;
  mounts: readonly string[];
  passThrough: Readonly<Record<string, string>>;
  path: string;
  /** Aborted with a `Stop`. */
  signal: AbortSignal;
  killGraceMs(): number;
}

/**
 * What a job does, in order. Returns null when it passed, else how it ended, and the artifacts that it uploaded. Throws what
 * is no fault of the user's, and the signal's reason.
 */
export async function work(
  o: WorkOptions,
): Promise<{ verdict: Verdict | null; artifacts: PackedArtifact[] }> {
  await fetchInputs(o);
  const verdict = await checkOutAndRun(o);
  return verdict ? { verdict, artifacts: [] } : packArtifacts(o);
}

/** Into a directory of their own: the first step's sandbox copies them over the checkout, where links lead nowhere else. */
async function fetchInputs({ assignment, directory, server, record, signal }: WorkOptions): Promise<void> {
  if (assignment.inputs.length > 0) await mkdir(directory.inputs);
  for (const input of assignment.inputs) {
    const { unpackInput } = await import('./artifact/unpack.ts');
    const file = join(directory.path, `input-${input.sha256}`);
    await server.getInput(input.sha256, { file, signal });
    await unpackInput({ file, into: directory.inputs });
    await rm(file);
    record.say(`unpacked ${input.fileName}`);
  }
}

/** A checkout that fails on a damaged mirror is tried once more, from the start, with a new one. */
async function checkOutAndRun(o: WorkOptions): Promise<Verdict | null> {
  const commit = await fetchCommit(o);
  try {
    return await runSteps({ ...o, objects: commit.objects });
  } catch (error) {
    if (!(error instanceof CheckoutFailed) || o.signal.aborted) throw error;
    if (await o.mirrors.verify(o.assignment, o.signal)) throw error;
  }
  o.record.say("the runner's mirror was damaged and is fetched anew");
  await emptyAttemptDirectory(o.directory, o.slot.owner);
  await fetchInputs(o);
  const again = await fetchCommit(o);
  return runSteps({ ...o, objects: again.objects });
}

async function fetchCommit({
  assignment,
  directory,
  record,
  mirrors,
  slot,
  signal,
}: WorkOptions): Promise<FetchedCommit> {
  const { commit, cloneUrl } = assignment;
  const started = performance.now();
  const fetched = await mirrors.fetch(assignment, signal);
  const took = Math.round(performance.now() - started);
  record.say(`commit ${commit} of ${cloneUrl}${fetched.fetched ? `, fetched in ${took} ms` : ''}`);
  for (const tag of assignment.tags.filter((wanted) => !fetched.tags.includes(wanted)))
    record.say(`the tag ${tag.name} is no longer known and is left out`);
  writeGitDirectory(directory.workspace, { commit, cloneUrl, tags: fetched.tags }, slot.owner);
  return fetched;
}

/** Only now, when no process of the job is left that could change what is being read. */
async function packArtifacts(
  o: WorkOptions,
): Promise<{ verdict: Verdict | null; artifacts: PackedArtifact[] }> {
  const { job, version, sourceDateEpoch } = o.assignment;
  const artifacts: PackedArtifact[] = [];
  for (const artifact of job.artifacts) {
    const { packArtifact } = await import('./artifact/pack.ts');
    const packing = await packArtifact({
      workspace: o.directory.workspace,
      artifact,
      version,
      commitTime: sourceDateEpoch,
      into: o.directory.artifacts,
      signal: o.signal,
    });
    if (!packing.ok) return { verdict: { status: 'failed', why: packing.why }, artifacts: [] };
    await upload(o, packing.packed.manifestSha256, packing.manifestFile);
    await upload(o, packing.packed.sha256, packing.file);
    o.record.say(`packed ${packing.packed.fileName}, sha256 ${packing.packed.sha256}`);
    artifacts.push(packing.packed);
  }
  return { verdict: null, artifacts };
}

async function upload({ server, signal }: WorkOptions, sha256: string, file: string): Promise<void> {
  signal.throwIfAborted();
  const { size } = await stat(file);
  try {
    await server.putBlob(sha256, { file, size, signal });
  } catch (error) {
    if (error instanceof Refused && (error.status === 413 || error.status === 422))
      throw new Error(`the server did not take an artifact: ${error.message}`, { cause: error });
    throw error;
  }
  await rm(file);
}
