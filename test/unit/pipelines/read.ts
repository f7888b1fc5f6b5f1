import type { JobDefinition, Pipeline } from '@reprise/pipelines/model.ts';
import { parsePipeline } from '@reprise/pipelines/parse.ts';
import { formatProblem } from '@reprise/pipelines/problem.ts';

/** The pipeline of a text that must be valid. */
export function read(text: string): Pipeline {
  const { pipeline, problems } = parsePipeline(text);
  if (pipeline === null)
    throw new Error(problems.map((problem) => formatProblem('file', problem)).join('\n'));
  return pipeline;
}

/** The only job of a text that has just one. */
export function readJob(text: string): JobDefinition {
  const [job] = read(text).jobs;
  if (job === undefined) throw new Error('no job');
  return job;
}

/** The problems of a text as `line:column: message`. */
export function problemsOf(text: string): string[] {
  return parsePipeline(text).problems.map((problem) => formatProblem('', problem).slice(1));
}
