import { GitPluginError, simpleGit } from 'simple-git';
import { newId } from '../db/id.ts';
import { endMarked, markOf } from './end-processes.ts';
import { MirrorFault } from './fault.ts';

export interface GitResult {
  /** Exit code; git's refusals are data, for the caller to read. */
  code: number;
  stdout: Buffer;
  stderr: string;
}

export interface GitOptions {
  /** Written to standard input. */
  input?: string;
  /** Aborting ends the process; the call then throws the signal's reason. */
  signal?: AbortSignal;
  /** Added to the environment of this one process: credentials, never arguments. */
  env?: Record<string, string>;
  /** More output than this ends the process, and `OutputTooLarge` is thrown. */
  maxBytes?: number;
}

/** Runs git in one repository. */
export type Git = (args: readonly string[], options?: GitOptions) => Promise<GitResult>;

/** Git wrote more than its caller wanted to hold in memory. */
export class OutputTooLarge extends Error {}

/** 64 MiB: more than the names of a million refs' worth of answers, and still a bound. */
const MOST_OUTPUT = 64 * 2 ** 20;

/**
 * Git for the bare repository at `directory`, with exactly `environment` (made by `gitEnvironment`): nothing of the
 * server's own environment and no configuration but the repository's own file reaches it.
 */
export function gitIn(directory: string, environment: Readonly<Record<string, string>>): Git {
  return async (args, options = {}) => {
    const id = newId();
    const env = { ...environment, GIT_DIR: directory, ...options.env, ...markOf(id) };
    const tooLarge = new AbortController();
    const end = () => void endMarked(id);
    options.signal?.addEventListener('abort', end, { once: true });
    const signal = options.signal ? AbortSignal.any([options.signal, tooLarge.signal]) : tooLarge.signal;
    let result: GitResult | undefined;
    const git = simpleGit({
      baseDir: directory,
      abort: signal,
      allowEnvironment: Object.keys(env),
      unsafe: ALLOWED,
      // Output ends with the last process that holds the pipe; half a second after git's own exit at the latest.
      completion: { onClose: true, onExit: 500 },
      ...(options.input === undefined ? {} : { input: () => options.input }),
      errors(error, { exitCode, stdOut, stdErr }) {
        result = { code: exitCode, stdout: Buffer.concat(stdOut), stderr: lastWords(stdErr) };
        return error instanceof GitPluginError ? error : undefined;
      },
    });
    try {
      await git
        .env(env)
        .outputHandler((_command, ...streams) => {
          let size = 0;
          const count = (chunk: Buffer) => {
            size += chunk.length;
            if (size > (options.maxBytes ?? MOST_OUTPUT)) tooLarge.abort();
          };
          for (const stream of streams.slice(0, 2) as NodeJS.ReadableStream[]) stream.on('data', count);
        })
        .raw([...args]);
    } catch (cause) {
      if (tooLarge.signal.aborted) throw new OutputTooLarge(`git ${args[0]} wrote too much.`, { cause });
      if (options.signal?.aborted) throw options.signal.reason;
      throw cause;
    } finally {
      options.signal?.removeEventListener('abort', end);
    }
    if (!result) throw new Error(`git ${args[0]} ended without a result.`);
    return result;
  };
}

/** The end of standard error, where git says why it ended; an upstream writes there too, so its lines are bounded. */
function lastWords(chunks: Buffer[]): string {
  const text = Buffer.concat(chunks).subarray(-65_536).toString();
  return text
    .split('\n')
    .map((line) => line.slice(0, 1000))
    .join('\n');
}

/** What simple-git refuses unless told: each value here is made by Reprise itself, none by a user. */
const ALLOWED = {
  allowUnsafeConfigPaths: true,
  allowUnsafeAskPass: true,
  allowUnsafeConfigEnvCount: true,
  allowUnsafeSshCommand: true,
};

/** Older ones miss fixes for what a hostile repository can do to the git that fetches it. */
const LEAST_GIT = [2, 39, 5] as const;

/** Throws a sentence for the operator where git is missing or older than 2.39.5. */
export async function assertGit(directory: string, environment: Record<string, string>): Promise<void> {
  const { stdout } = await gitIn(directory, environment)(['--version']);
  const version = /\d+(\.\d+)+/.exec(stdout.toString())?.[0];
  if (!version)
    throw new Error(
      'Reprise needs git, and there is none in PATH. Install it (Debian: apt-get install git).',
    );
  const parts = version.split('.').map(Number);
  for (const [at, least] of LEAST_GIT.entries()) {
    const part = parts[at] ?? 0;
    if (part > least) return;
    if (part < least)
      throw new Error(`Reprise needs git ${LEAST_GIT.join('.')} or newer, but finds ${version}. Update git.`);
  }
}

/** The output of a command that must succeed; otherwise the mirror itself is at fault. */
export async function read(git: Git, args: readonly string[], options?: GitOptions): Promise<Buffer> {
  const result = await git(args, options);
  if (result.code !== 0) throw unreadable(args, result);
  return result.stdout;
}

/** The fault of a mirror that could not answer a question about what it should hold. */
export function unreadable(args: readonly string[], result: GitResult): MirrorFault {
  const words = result.stderr.trim().slice(0, 800) || `exit code ${result.code}`;
  return new MirrorFault('damaged', `The mirror could not be read (git ${args[0]}): ${words}`);
}
