import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the system's programs are, whatever PATH the runner was started with (`ip` is in a directory of root's). */
export const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/** The absolute path of a program on `path`, or `null`. */
export function findProgram(name: string, path = SYSTEM_PATH): string | null {
  for (const directory of path.split(':').filter(Boolean)) {
    const file = join(directory, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Look further.
    }
  }
  return null;
}

/** Runs a short program of the system with an empty environment. Its output is kept up to 64 KiB, in the order of arrival. */
export async function readProgram(
  argv: [string, ...string[]],
): Promise<{ code: number | null; output: string }> {
  const child = spawn(argv[0], argv.slice(1), {
    env: { PATH: SYSTEM_PATH },
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(0, 65_536);
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject).once('close', resolve);
  return { code: await promise, output };
}

/** Resolves when the process is gone, at once when it is already. It never rejects. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
    return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** What `/proc/<pid>/stat` says, or `null` when there is no such process. */
export function processState(pid: number): { state: string; group: number; startTime: string } | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The second field is the program's name in brackets and may hold anything, brackets and spaces too.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', group: Number(fields[2]), startTime: fields[19] ?? '' };
}
