import type { Toolchain } from '@reprise/runner/protocol.ts';
import type { Kysely } from 'kysely';
import type { Reproducibility } from '../api.ts';
import type { Build, Database } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { BlobStore } from './blob.store.ts';
import { findDifferences } from './differences.ts';
import { readManifest } from './manifest.ts';

/** An artifact of one of the builds that are compared. */
interface Candidate {
  build: number;
  name: string;
  attempt: string;
  tree: string;
  manifest: string;
}

/**
 * For each artifact of a build, by name, whether building the same commit with the same plan has always given the same tree.
 * Where not, it is held against the earliest build that made another one, and the files that differ are named, from the
 * earlier of the two to the later. Costs one indexed query unless something differs.
 */
export async function reproducibility(
  { reader, blobs }: { reader: Kysely<Database>; blobs: BlobStore },
  build: Pick<Build, 'project_id' | 'commit_sha' | 'plan_sha256' | 'number'>,
): Promise<Map<string, Reproducibility>> {
  const made = Map.groupBy(await candidatesOf(reader, build), ({ name }) => name);
  const results = new Map<string, Reproducibility>();
  for (const [name, candidates] of made) {
    const own = candidates.find((candidate) => candidate.build === build.number);
    const [first, ...others] = candidates.filter((candidate) => candidate !== own);
    if (!own) continue;
    if (!first) {
      results.set(name, { state: 'unverified', comparedWith: null, differences: [] });
      continue;
    }
    const other = [first, ...others].find(({ tree }) => tree !== own.tree);
    if (!other) results.set(name, { state: 'identical', comparedWith: first.build, differences: [] });
    else results.set(name, await different({ reader, blobs }, own, other));
  }
  return results;
}

async function candidatesOf(
  reader: Kysely<Database>,
  build: Pick<Build, 'project_id' | 'commit_sha' | 'plan_sha256'>,
): Promise<Candidate[]> {
  return reader
    .selectFrom('builds')
    .innerJoin('artifacts', 'artifacts.build_id', 'builds.id')
    .select([
      'builds.number as build',
      'artifacts.name',
      'artifacts.attempt_id as attempt',
      'artifacts.tree_sha256 as tree',
      'artifacts.manifest_sha256 as manifest',
    ])
    .where('builds.project_id', '=', build.project_id)
    .where('builds.commit_sha', '=', build.commit_sha)
    .where('builds.plan_sha256', '=', build.plan_sha256)
    .orderBy('builds.number')
    .execute();
}

async function different(
  { reader, blobs }: { reader: Kysely<Database>; blobs: BlobStore },
  own: Candidate,
  other: Candidate,
): Promise<Reproducibility> {
  const [before, after] = own.build < other.build ? [own, other] : [other, own];
  const toolchainChanged = await hasOtherToolchain(reader, before.attempt, after.attempt);
  const result: Reproducibility = {
    state: 'different',
    comparedWith: other.build,
    differences: [],
    toolchainChanged,
  };
  const older = readManifest(blobs, before.manifest);
  const younger = readManifest(blobs, after.manifest);
  try {
    const { differences, count } = await findDifferences(older, younger);
    return { ...result, differences, differenceCount: count };
  } catch (error) {
    // The digests of the trees already told that they differ; that a manifest is damaged must not hide the build.
    if (error instanceof Refusal && error.code === 'artifact-damaged') return result;
    throw error;
  } finally {
    await Promise.all([older.return(undefined), younger.return(undefined)]);
  }
}

async function hasOtherToolchain(reader: Kysely<Database>, ...attempts: [string, string]): Promise<boolean> {
  const rows = await reader.selectFrom('attempts').select('toolchain').where('id', 'in', attempts).execute();
  const fingerprints = rows.map(({ toolchain }) => {
    const recorded: Toolchain | null = toolchain === null ? null : JSON.parse(toolchain);
    return recorded?.fingerprint;
  });
  return new Set(fingerprints).size > 1;
}
