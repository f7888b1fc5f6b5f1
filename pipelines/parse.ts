import { check } from './check.ts';
import { pipelineFile } from './file.schema.ts';
import { interpret } from './interpret.ts';
import { explainIssue, toProblem } from './issues.ts';
import type { Pipeline } from './model.ts';
import type { Problem } from './problem.ts';
import { readYaml } from './yaml.ts';
import type { YamlFile } from './yaml-places.ts';

/** So many problems are reported at most; somebody who has more begins with these. */
const MOST_PROBLEMS = 50;

/** So many are looked up in the file at most, which takes time for each. */
const MOST_LOCATED = 500;

/**
 * Reads a pipeline file: what it means, with all defaults filled in, or everything that is wrong with it, in the
 * order of the file. Never throws, whatever the text. Bytes must be UTF-8.
 */
export function parsePipeline(
  text: string | Uint8Array,
): { pipeline: Pipeline; problems: [] } | { pipeline: null; problems: Problem[] } {
  const decoded = typeof text === 'string' ? text : decode(text);
  if (decoded === null) return refused([{ line: 1, column: 1, message: 'the file is not UTF-8 text' }]);
  const { file, problems } = readYaml(decoded);
  if (file === null) return refused(problems);
  return understand(file);
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function understand(file: YamlFile): ReturnType<typeof parsePipeline> {
  if (file.value === null) {
    const message = 'the file is empty: begin with "version: 1" and add jobs';
    return refused([{ line: 1, column: 1, message }]);
  }
  const shaped = pipelineFile.safeParse(file.value);
  const located = shaped.success
    ? check(shaped.data)
    : shaped.error.issues.slice(0, MOST_LOCATED).flatMap((issue) => explainIssue(issue, file.value));
  if (!shaped.success || located.length > 0) {
    return refused(located.slice(0, MOST_LOCATED).map((problem) => toProblem(file, problem)));
  }
  return { pipeline: interpret(shaped.data, file), problems: [] };
}

function refused(problems: Problem[]): { pipeline: null; problems: Problem[] } {
  const sorted = problems
    .map((problem) => ({ ...problem, message: printable(problem.message) }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column);
  const next = sorted[MOST_PROBLEMS];
  if (next === undefined) return { pipeline: null, problems: sorted };
  const more = { ...next, message: 'there are more problems from here on' };
  return { pipeline: null, problems: [...sorted.slice(0, MOST_PROBLEMS), more] };
}

/** Messages quote the file: what they quote must neither steer a terminal nor fill a page. */
function printable(message: string): string {
  const clean = message.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ');
  return clean.length <= 400 ? clean : `${clean.slice(0, 399)}…`;
}
