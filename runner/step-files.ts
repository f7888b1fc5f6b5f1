import {
  chownSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { Mount } from './sandbox/sandbox.ts';

/** Where a step finds its own directory inside the sandbox. */
const INSIDE = '/reprise/step';

export const SCRIPT_INSIDE = `${INSIDE}/script`;

/** The names of the variables that point to the files in which a step leaves something for those that follow. */
export const STEP_FILE_VARIABLES = {
  REPRISE_ENV: `${INSIDE}/env`,
  REPRISE_PATH: `${INSIDE}/path`,
};

const LIMIT = 1024 * 1024;
const RESERVED = /^(CI|REPRISE|REPRISE_.*|PATH|HOME)$/;

/** What a step left for those that follow it. */
export interface StepLegacy {
  env: Record<string, string>;
  /** In the order written; each goes before the earlier ones. */
  path: string[];
}

/**
 * Makes a step's directory with its script and the two files, empty. All of it is the step's own. The script is a file, so
 * that it can be as long as it likes and nothing of it is in the host's process list.
 */
export function writeStepFiles(
  directory: string,
  o: { script: string; owner: { uid: number; gid: number } | null },
): Mount {
  mkdirSync(directory, { mode: 0o700 });
  const script = o.script.endsWith('\n') ? o.script : `${o.script}\n`;
  for (const [name, text] of Object.entries({ script, env: '', path: '' })) {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    if (o.owner) chownSync(join(directory, name), o.owner.uid, o.owner.gid);
  }
  if (o.owner) chownSync(directory, o.owner.uid, o.owner.gid);
  return { source: directory, target: INSIDE };
}

/** Reads what the step wrote, once no process of it is left. `problem` is a sentence about what it wrote wrongly. */
export function readStepFiles(directory: string): StepLegacy | { problem: string } {
  const env = readLines(directory, 'env', '$REPRISE_ENV');
  if ('problem' in env) return env;
  const path = readLines(directory, 'path', '$REPRISE_PATH');
  if ('problem' in path) return path;
  const variables: Record<string, string> = {};
  for (const { line, number } of env.lines) {
    const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      return { problem: `line ${number} of $REPRISE_ENV is not NAME=value` };
    if (RESERVED.test(name))
      return { problem: `line ${number} of $REPRISE_ENV sets ${name}, which ${reserved(name)}` };
    variables[name] = value;
  }
  for (const { line, number } of path.lines) {
    if (!isAbsolute(line) || line.includes(':'))
      return { problem: `line ${number} of $REPRISE_PATH is not the absolute path of a directory` };
  }
  return { env: variables, path: path.lines.map(({ line }) => line) };
}

function reserved(name: string): string {
  return name === 'PATH' ? 'is changed by $REPRISE_PATH only' : 'is not to be changed';
}

type Lines = { lines: { line: string; number: number }[] } | { problem: string };

function readLines(directory: string, file: string, shown: string): Lines {
  const content = readRegular(join(directory, file));
  if (content === 'gone') return { lines: [] };
  if (content === 'irregular') return { problem: `${shown} is no longer a regular file` };
  if (content.length > LIMIT) return { problem: `${shown} is larger than 1 MiB` };
  const text = content.toString('utf8');
  if (text.includes('\0')) return { problem: `${shown} holds a NUL byte` };
  const lines = text.split('\n').map((line, index) => ({ line: line.replace(/\r$/, ''), number: index + 1 }));
  return { lines: lines.filter(({ line }) => line !== '') };
}

/** Opened without following a link and without waiting at a pipe; never more than the limit is read. */
function readRegular(path: string): Buffer | 'gone' | 'irregular' {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'irregular';
  }
  try {
    const { size } = fstatSync(descriptor);
    if (!fstatSync(descriptor).isFile()) return 'irregular';
    return size > LIMIT ? Buffer.alloc(LIMIT + 1) : readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
