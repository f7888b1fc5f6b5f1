import type { Build, Project } from '../db/schema.ts';
import type { Mirrors } from '../git/mirrors.ts';
import { isPublicRef } from '../git/names.ts';

/** Where a pipeline file may be read, and how a page calls that place; null: the build's own commit. */
export interface PipelinePlace {
  /** An object name, a full ref, or `HEAD`. */
  at: string;
  name: string | null;
}

/**
 * Where a build's pipeline file is looked for, in order. At the ref that was asked for; for a fork's pull request at its
 * base branch, as a stranger must not choose what is executed; else at the commit, and where that is older than the file, on the
 * default branch. Empty: the place there was is gone.
 */
export async function pipelinePlaces(
  mirrors: Mirrors,
  project: Project,
  build: Build,
): Promise<PipelinePlace[]> {
  if (build.pull_request !== null) {
    const { base } = JSON.parse(build.pull_request);
    const at = `refs/heads/${base}`;
    return isPublicRef(at) ? [{ at, name: `branch ${base}` }] : [];
  }
  if (build.pipeline_ref !== null) {
    const found = await mirrors.resolve(project, build.pipeline_ref);
    return found ? [{ at: found.sha, name: placeName(found) }] : [];
  }
  const branch = project.default_branch;
  return [
    { at: build.commit_sha, name: null },
    branch === null
      ? { at: 'HEAD', name: 'the default branch' }
      : { at: `refs/heads/${branch}`, name: `branch ${branch}` },
  ];
}

function placeName({ branch, tag }: { branch: string | null; tag: string | null }): string {
  if (branch !== null) return `branch ${branch}`;
  return tag === null ? 'commit' : `tag ${tag}`;
}
