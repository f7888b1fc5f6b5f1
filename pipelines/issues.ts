import type { z } from 'zod';
import type { Problem } from './problem.ts';
import { explainKey } from './sections.ts';
import type { Path, YamlFile } from './yaml-places.ts';

type Issue = z.core.$ZodIssue;

/** Something wrong at a place of the file's data; the message is a whole sentence. */
export interface Located {
  path: Path;
  /** Points at the key instead of the value. */
  key?: boolean;
  /** Points at this text within the value. */
  within?: string;
  message: string;
}

export function toProblem(file: YamlFile, { path, message, ...place }: Located): Problem {
  return { ...file.locate(path, place), message };
}

/** Turns what the schema found into sentences with places. */
export function explainIssue(issue: Issue, root: unknown, around: Path = []): Located[] {
  const path = [...around, ...(issue.path as (string | number)[])];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...path, key],
        key: true,
        message: explainKey(path, key),
      }));
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({
        path,
        key: true,
        message: `${JSON.stringify(path.at(-1))} ${message}`,
      }));
    case 'invalid_union': {
      const meant = issue.errors.find((branch) => !branch.some(isWrongType));
      if (meant !== undefined) return meant.flatMap((inner) => explainIssue(inner, root, path));
      break;
    }
  }
  return [explainValue(path, valueAt(root, path), issue.message)];
}

/** An alternative of a union was not meant when the value is of another type altogether. */
function isWrongType(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function explainValue(path: Path, value: unknown, message: string): Located {
  if (value === undefined && path.length > 0) {
    const place = path.length === 1 ? 'the file' : subject(path.slice(0, -1));
    return { path: path.slice(0, -1), key: true, message: `${place} has no ${path.at(-1)}: it ${message}` };
  }
  if (value === null && path.length > 0) {
    return { path, message: `${subject(path)} is empty: it ${message}` };
  }
  return { path, message: `${subject(path)} ${message}` };
}

/** What the value at a path is called in a sentence. */
function subject(path: Path): string {
  const last = path.at(-1);
  if (last === undefined) return 'the file';
  if (typeof last === 'number') return `${path.at(-2)}[${last}]`;
  if (path.length === 2 && path[0] === 'jobs') return `job ${JSON.stringify(last)}`;
  if (path.length === 2 && path[0] === 'environments') return `environment ${JSON.stringify(last)}`;
  return last;
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
