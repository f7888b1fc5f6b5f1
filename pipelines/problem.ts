/** The name of the pipeline file, at the root of a repository. */
export const PIPELINE_FILE = '.reprise.yml';

/** Something wrong with a pipeline file. Line and column count from 1; the message is a sentence for its author. */
export interface Problem {
  line: number;
  column: number;
  message: string;
}

/** `file:line:column: message`, as editors and terminals make clickable. */
export function formatProblem(file: string, problem: Problem): string {
  return `${file}:${problem.line}:${problem.column}: ${problem.message}`;
}
