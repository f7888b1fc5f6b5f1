import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { RunningServer } from '../app.ts';
import { ensureEmbeddedRunner } from '../runners/embedded.ts';

const COMMAND = fileURLToPath(new URL('../main.ts', import.meta.url));

/** What runs when the server is asked to stop may take this long to finish. */
const PATIENCE_MS = 10_000;

/** From the first restart of a runner that ended to the longest pause between two. */
const RESTART_MS = { first: 1_000, longest: 60_000 };

/**
 * The runner of `reprise up`: a process of its own, so that what spawns sandboxes stays small and never waits for the
 * server's event loop. It ends with the server, however the server ends, and is started again should it end by itself.
 */
export async function startEmbeddedRunner(
  server: RunningServer,
  env: NodeJS.ProcessEnv,
): Promise<{ stop(): Promise<void> }> {
  const { config, log } = server.services;
  const token = await ensureEmbeddedRunner(server.services);
  const runnerEnv: NodeJS.ProcessEnv = {
    ...forTheRunner(env),
    REPRISE_SERVER: reachable(server.address),
    REPRISE_RUNNER_TOKEN: token,
    REPRISE_DATA_DIR: join(config.dataDir, 'runner'),
    REPRISE_CAPACITY: String(config.embeddedRunners),
    // Its modules compiled once and kept: less memory (about 30 MB) and a quicker start.
    NODE_COMPILE_CACHE: join(config.dataDir, 'cache'),
  };
  const stopping = new AbortController();
  let child: ChildProcess | null = null;

  const loop = async () => {
    for (
      let pause = RESTART_MS.first;
      !stopping.signal.aborted;
      pause = Math.min(pause * 2, RESTART_MS.longest)
    ) {
      child = spawn(process.execPath, [COMMAND, 'runner', '--die-with-parent'], {
        env: runnerEnv,
        stdio: ['pipe', 'inherit', 'inherit'],
      });
      const started = performance.now();
      const [code, signal] = await once(child, 'exit').catch((error: unknown) => {
        log.error({ err: error }, 'the embedded runner could not be started');
        return [null, null];
      });
      if (stopping.signal.aborted) return;
      if (performance.now() - started > RESTART_MS.longest) pause = RESTART_MS.first;
      log.error({ code, signal, againInMs: pause }, 'the embedded runner ended');
      await setTimeout(pause, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  const ended = loop().catch((error) =>
    log.error({ err: error }, 'the embedded runner could not be started'),
  );
  return {
    async stop() {
      stopping.abort();
      child?.kill('SIGTERM');
      // What is not finished by then is handed back, and built again as attempt 2 after the next start.
      const later = (ms: number, signal: NodeJS.Signals) =>
        void setTimeout(ms, undefined, { ref: false }).then(() => child?.kill(signal));
      later(PATIENCE_MS, 'SIGTERM');
      later(2 * PATIENCE_MS, 'SIGKILL');
      await ended;
    },
  };
}

/** Of our settings only those that mean something to the embedded runner: none of the server's secrets, now or later. */
const RUNNER_SETTINGS = new Set([
  'REPRISE_LABELS',
  'REPRISE_SANDBOX',
  'REPRISE_STEP_ENV',
  'REPRISE_STEP_MOUNTS',
  'REPRISE_STEP_PATH',
  'REPRISE_MIN_FREE_DISK',
  'REPRISE_LOG_LEVEL',
  'REPRISE_TEST_TIME_SCALE',
]);

/** Where the server's engines are, and as whom. */
const ENGINES = new Set(['DATABASE_URL', 'REDIS_URL', 'STORAGE_URL']);

function forTheRunner(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isOurs = (name: string) => ENGINES.has(name) || name.startsWith('REPRISE_');
  const entries = Object.entries(env);
  return Object.fromEntries(entries.filter(([name]) => !isOurs(name) || RUNNER_SETTINGS.has(name)));
}

/** A wildcard address is where one listens, not where one connects. */
function reachable(address: string): string {
  return address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}
