import { type Git, type GitOptions, read, unreadable } from './git.ts';
import { isTreePath } from './names.ts';

/** One answer of `git cat-file`; null where there is no such object. */
export interface GitObject {
  sha: string;
  type: string;
  size: number;
}

const ASK = ['cat-file', '--batch-check'] as const;
const FETCH = ['cat-file', '--batch'] as const;

/** Looks several names up in one process: `names` are object names or expressions that passed `names.ts`. */
export async function lookUp(git: Git, names: readonly string[]): Promise<(GitObject | null)[]> {
  const output = await read(git, ASK, { input: questions(names) });
  const lines = output.toString().split('\n');
  return names.map((_, at) => parseHeader(lines[at] ?? ''));
}

/** Reads several objects, with their bytes, in one process. */
export async function readObjects(
  git: Git,
  names: readonly string[],
  options: GitOptions = {},
): Promise<((GitObject & { bytes: Buffer }) | null)[]> {
  const result = await git(FETCH, { ...options, input: questions(names) });
  if (result.code !== 0) throw unreadable(FETCH, result);
  let at = 0;
  return names.map(() => {
    const lineEnd = result.stdout.indexOf(10, at);
    if (lineEnd < 0) throw unreadable(FETCH, result);
    const object = parseHeader(result.stdout.toString('utf8', at, lineEnd));
    at = lineEnd + 1;
    if (!object) return null;
    const bytes = result.stdout.subarray(at, at + object.size);
    if (bytes.length < object.size) throw unreadable(FETCH, result);
    at += object.size + 1;
    return { ...object, bytes };
  });
}

/** The expression for a file in a commit, or one that surely has no object where the path is not a plain one. */
export function fileAt(commit: string, path: string): string {
  return isTreePath(path) ? `${commit}:${path}` : '0'.repeat(40);
}

/** One line each: a line break in a name would shift every later answer. */
function questions(names: readonly string[]): string {
  const hostile = names.find((name) => /[\0\r\n]/.test(name));
  if (hostile !== undefined) throw new Error(`Not an object's name: ${JSON.stringify(hostile)}.`);
  return `${names.join('\n')}\n`;
}

/** `<sha> <type> <size>`, or `<name> missing` and `<name> ambiguous`. */
function parseHeader(line: string): GitObject | null {
  const match = /^([0-9a-f]{40}) (\w+) (\d+)$/.exec(line);
  if (!match) return null;
  return { sha: match[1] ?? '', type: match[2] ?? '', size: Number(match[3]) };
}
