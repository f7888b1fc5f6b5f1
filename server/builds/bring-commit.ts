import type { Build, Project } from '../db/schema.ts';
import { MirrorFault } from '../git/fault.ts';
import type { Inspection, InspectOptions } from '../git/inspect.ts';
import type { Mirrors } from '../git/mirrors.ts';
import { isPublicRef } from '../git/names.ts';

/**
 * Gets a build's commit into the mirror, pinned, and looks at it. What was delivered is new, so it is fetched first unless
 * that was done for many (`isFetched`); what a person asked for, or a rebuild, is mostly there. A commit that is in the
 * mirror, or comes to be from where pinned commits are besides, needs no upstream, should that be gone. null: neither has it. Throws `MirrorFault` where the upstream cannot be
 * fetched.
 */
export async function bringCommit(
  mirrors: Mirrors,
  project: Project,
  build: Build,
  { signal, isFetched, ...look }: InspectOptions & Circumstances,
): Promise<Inspection | null> {
  if (isFetched || !isDelivered(build)) {
    const seen = await inspectPinned(mirrors, project, build, look);
    if (seen) return seen;
  }
  try {
    return await mirrors.obtain(project, build.commit_sha, { ...look, signal, wants: wantsOf(build) });
  } catch (fault) {
    if (!(fault instanceof MirrorFault)) throw fault;
    const held = await inspectPinned(mirrors, project, build, look).catch(() => null);
    if (held) return held;
    throw fault;
  }
}

/** How a build comes to be planned. */
export interface Circumstances {
  /** Aborted when the server stops. */
  signal: AbortSignal;
  /** Its commit was fetched a moment ago, with those of other builds. */
  isFetched: boolean;
}

/** Whether it was a delivery that brought the build about, so that filters hold and its commit is new. */
export function isDelivered({ trigger_kind: kind }: Pick<Build, 'trigger_kind'>): boolean {
  return kind === 'push' || kind === 'tag' || kind === 'pull_request';
}

async function inspectPinned(
  mirrors: Mirrors,
  project: Project,
  build: Build,
  look: InspectOptions,
): Promise<Inspection | null> {
  const seen = await mirrors.inspect(project, build.commit_sha, look);
  if (seen) await mirrors.pin(project, build.commit_sha);
  return seen;
}

/** What to fetch for a build: its commit, its own ref, and a pull request's base, whose pipeline file is read. */
export function wantsOf(build: Pick<Build, 'commit_sha' | 'ref' | 'pull_request'>): string[] {
  const refs = [build.ref];
  if (build.pull_request !== null) refs.push(`refs/heads/${JSON.parse(build.pull_request).base}`);
  return [build.commit_sha, ...refs.filter(isPublicRef)];
}
