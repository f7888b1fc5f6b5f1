import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

export interface GitResult {
  code: number;
  /** Standard output. */
  out: string;
  /** Standard error, its last 64 KiB. */
  err: string;
}

/** What the runner's own git gets of the world; all else is forbidden to it. */
export interface GitWorld {
  /** PATH to find git, and where certificates are. */
  env: Readonly<Record<string, string>>;
}

const ERROR_LIMIT = 64 * 1024;

/**
 * Nothing that a repository or a machine's configuration says may run programs, prompt, or reach other protocols. Objects are
 * not checked once more: the server's mirror took in none without a check.
 */
const HARDENED = {
  'protocol.allow': 'never',
  'protocol.http.allow': 'always',
  'protocol.https.allow': 'always',
  'transfer.bundleURI': 'false',
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'submodule.recurse': 'false',
  'fetch.recurseSubmodules': 'false',
  'safe.bareRepository': 'explicit',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'credential.helper': '',
  'http.followRedirects': 'false',
  'http.lowSpeedLimit': '1000',
  'http.lowSpeedTime': '60',
};

/**
 * Runs git in one of the runner's own bare mirrors, never in a directory that a build could write. `config` is for values
 * that must not be seen in the process list: it goes through the environment. Throws only when git cannot be started or
 * the signal is aborted.
 */
export async function git(
  world: GitWorld,
  args: readonly string[],
  o: {
    directory?: string;
    config?: Record<string, string>;
    /** What fails while it is read ends git, and is thrown. */
    input?: string | AsyncIterable<Buffer>;
    signal: AbortSignal;
  },
): Promise<GitResult> {
  o.signal.throwIfAborted();
  const config = Object.entries({ ...HARDENED, ...o.config });
  const env: Record<string, string> = {
    ...world.env,
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_CONFIG_COUNT: String(config.length),
  };
  config.forEach(([key, value], index) => {
    env[`GIT_CONFIG_KEY_${index}`] = key;
    env[`GIT_CONFIG_VALUE_${index}`] = value;
  });
  const where = o.directory === undefined ? [] : [`--git-dir=${o.directory}`];
  // A group of its own, so that what git started ends with it.
  const child = spawn('git', [...where, ...args], { env, cwd: '/', detached: true });
  const ended = Promise.withResolvers<number>();
  child.on('error', ended.reject);
  child.on('close', (code) => ended.resolve(code ?? 128));
  const end = () => killGroup(child.pid);
  o.signal.addEventListener('abort', end, { once: true });
  const fed = feed(child.stdin, o.input ?? '').catch((error) => {
    end();
    throw error;
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err = (err + text).slice(-ERROR_LIMIT);
  });
  try {
    const [code] = await Promise.all([ended.promise, fed]);
    if (!o.signal.aborted) return { code, out, err };
    throw o.signal.reason;
  } catch (error) {
    o.signal.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('git could not be started: is it installed on the runner?', { cause: error });
  } finally {
    o.signal.removeEventListener('abort', end);
  }
}

/** That git ends without reading all of it is no failure: its exit code says why. */
async function feed(stdin: Writable, input: string | AsyncIterable<Buffer>): Promise<void> {
  stdin.on('error', () => undefined);
  if (typeof input === 'string') {
    stdin.end(input);
    return;
  }
  for await (const chunk of input) {
    if (stdin.destroyed) break;
    if (!stdin.write(chunk)) await Promise.race([once(stdin, 'drain'), once(stdin, 'close')]);
  }
  stdin.end();
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
