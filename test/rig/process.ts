import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../../server/main.ts', import.meta.url));

/** A `reprise` command running as a process of its own, as its users run it. */
export interface RepriseProcess extends AsyncDisposable {
  child: ChildProcess;
  /** Everything it has written so far, both outputs together. */
  output(): string;
  /** Resolves with the first line of output that matches; rejects with the whole output when it ends before. */
  line(pattern: RegExp): Promise<string>;
  /** Ends it at once, as the kernel or a power cut would. */
  kill(): Promise<void>;
  /** Ends it in order (TERM) and waits. */
  stop(): Promise<void>;
}

/**
 * Starts `reprise <args>` with this environment and nothing else but PATH; `through` are words to put before the command,
 * such as `setpriv --reuid=1234`.
 */
export function startReprise(
  args: string[],
  env: Record<string, string>,
  through: string[] = [],
): RepriseProcess {
  return startProgram([...through, process.execPath, COMMAND, ...args], env, `reprise ${args[0]}`);
}

/** Starts any other program, watched in the same way. */
export function startProgram(
  [program = '', ...words]: string[],
  env: Record<string, string>,
  name = program,
): RepriseProcess {
  const child = spawn(program, words, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const waiting = new Set<(line: string | null) => void>();
  const tell = (line: string | null) => {
    for (const listener of [...waiting]) listener(line);
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      tell(line);
    });
  }
  const ended = once(child, 'close').then(() => tell(null));
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
  };
  return {
    child,
    output: () => lines.join('\n'),
    line(pattern) {
      const found = lines.find((line) => pattern.test(line));
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve, reject) => {
        const listener = (line: string | null) => {
          if (line !== null && !pattern.test(line)) return;
          waiting.delete(listener);
          if (line === null) reject(new Error(`${name} ended before ${pattern}:\n${lines.join('\n')}`));
          else resolve(line);
        };
        waiting.add(listener);
        if (child.exitCode !== null || child.signalCode !== null) listener(null);
      });
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}
