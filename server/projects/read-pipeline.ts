import type { Pipeline } from '@reprise/pipelines/model.ts';
import { parsePipeline } from '@reprise/pipelines/parse.ts';
import { PIPELINE_FILE, type Problem } from '@reprise/pipelines/problem.ts';
import { LARGEST_FILE } from '../builds/plan-build.ts';
import type { Project } from '../db/schema.ts';
import type { Services } from '../services.ts';

/** The pipeline file at a ref. `commit` null: there is no such ref; `found` false: the commit has no such file. */
export interface ReadPipeline {
  ref: string;
  commit: string | null;
  found: boolean;
  problems: Problem[];
  /** null: not found, or with problems. */
  pipeline: Pipeline | null;
}

/** Reads the pipeline file at a ref, the default branch's head unless told, as of the last fetch: asks no upstream. */
export async function readPipeline(
  { mirrors }: Pick<Services, 'mirrors'>,
  project: Project,
  asked?: string,
): Promise<ReadPipeline> {
  const ref = asked ?? project.default_branch ?? (await mirrors.defaultBranch(project)) ?? 'main';
  const commit = (await mirrors.resolve(project, ref))?.sha ?? null;
  const file = commit && (await mirrors.readFile(project, commit, PIPELINE_FILE, LARGEST_FILE));
  if (file === null) return { ref, commit, found: false, problems: [], pipeline: null };
  return { ref, commit, found: true, ...parsePipeline(file) };
}
