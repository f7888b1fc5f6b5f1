import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { STEP_ENV } from './rig.ts';

const SMALL_RUNNER = fileURLToPath(new URL('small-runner.ts', import.meta.url));

/** Starts `small-runner.ts`; `through` are words to put before it. */
export function startSmallRunner(
  args: [directory: string, script: string] | [directory: string, script: string, between: string],
  through: string[] = [],
): ChildProcess {
  const [program = '', ...words] = [...through, process.execPath, SMALL_RUNNER, ...args];
  const env = { PATH: STEP_ENV.PATH };
  return spawn(program, words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Its whole output, when it has ended. */
export async function outputOf(child: ChildProcess): Promise<string> {
  const [output] = await Promise.all([text(child.stdout as Readable), once(child, 'close')]);
  return output;
}

/** Resolves when it has printed this. */
export async function says(child: ChildProcess, word: string): Promise<void> {
  let heard = '';
  for await (const chunk of child.stdout as Readable) {
    heard += chunk;
    if (heard.includes(word)) return;
  }
  throw new Error(`it ended without ${word}: ${heard}`);
}

/** Every living process of this machine: its number and its command line with spaces. */
export function processes(): { pid: number; parent: number; command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
      if (stat[0] === 'Z') return [];
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return [{ pid: Number(name), parent: Number(stat[1]), command }];
    } catch {
      return []; // It ended while we looked.
    }
  });
}
