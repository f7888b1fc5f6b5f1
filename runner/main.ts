import { readFileSync } from 'node:fs';
import { type Logger, pino } from 'pino';
import { Mirrors } from './checkout/mirrors.ts';
import { Client, Refused } from './client.ts';
import { parseRunnerConfig, type RunnerConfig } from './config.ts';
import { Disk } from './disk.ts';
import type { JobTools } from './job.ts';
import { Link } from './link.ts';
import { CannotRun, type Machine, openMachine } from './machine.ts';
import { introduce, ownToken } from './register.ts';
import { Runner } from './runner.ts';
import { PROTOCOL_VERSION } from './wire.ts';

export interface RunningRunner {
  /** Its name at the server. */
  name: string;
  /** Resolves when it has been drained or stopped; rejects with `CannotRun` when the server does not want it any more. */
  ended: Promise<void>;
  /** Takes no more jobs, finishes those that run. */
  drain(): void;
  /** Ends everything at once. The server hears of it, so that the attempts begin again elsewhere without a wait. */
  stop(): void;
}

/**
 * Starts a runner: opens its data directory, proves its sandbox, says hello, having registered where nobody added it. A runner whose sandbox does not pass its own
 * probe never registers. Throws `CannotRun` with what to do; while the server does not answer, it waits for it.
 */
export async function startRunner(
  config: RunnerConfig,
  log: Logger,
  signal: AbortSignal = new AbortController().signal,
): Promise<RunningRunner> {
  const machine = await openMachine(config);
  const token = config.token() ?? ownToken(machine.dataDir.token);
  const client = new Client(config.server, () => token);
  const link = new Link(client, greeting(config, machine), log);
  const close = async () => {
    link.close();
    client.close();
    await machine.close();
  };
  try {
    const { runner: name, times, labels } = await introduce(link, { config, token, log, signal });
    if (config.labels?.some((label) => !labels.includes(label)))
      log.warn(
        { labels },
        'the server gives this runner fewer labels than REPRISE_LABELS: see its runners page',
      );
    const secrets = [token, config.registration()].filter((secret) => secret !== null);
    const tools = toolsOf(config, { machine, client, times, timeScale: link.timeScale, secrets, log });
    const disk = new Disk(config.dataDir, config.minFreeDisk, { mirrors: tools.mirrors, log });
    const { slots, dataDir, sandbox } = machine;
    const room = (until: AbortSignal) => disk.room(until);
    const runner = new Runner({ instance: dataDir.instance, client, link, slots, tools, room });
    log.info({ runner: name, capacity: config.capacity, sandbox: sandbox.describe() }, 'runner ready');
    return {
      name,
      ended: runner.run().finally(close).catch(unwanted),
      drain: () => runner.drain(),
      stop: () => runner.stop('the runner is stopping'),
    };
  } catch (error) {
    await close();
    return unwanted(error);
  }
}

/**
 * A runner as a process: from the environment to an exit code, 0 after it was drained, 1 when it cannot run, 2 when it is
 * configured wrongly. TERM and INT drain it, a second one ends it at once. With `dieWithParent` it ends, and its sandboxes
 * with it, as soon as its standard input does: a parent that is killed says nothing else.
 */
export async function runnerProcess(
  env: NodeJS.ProcessEnv,
  o: { dieWithParent?: boolean } = {},
): Promise<number> {
  if (o.dieWithParent) dieWithParent();
  const { config, problems, warnings } = parseRunnerConfig(env);
  if (config === null) {
    process.stderr.write(`The runner cannot start:\n${problems.map((problem) => `  ${problem}\n`).join('')}`);
    return 2;
  }
  // Directories that steps' users must pass through are made with exactly the modes they are given.
  process.umask(0o022);
  const log = pino({ name: 'runner', level: config.logLevel }, pino.destination({ fd: 2, sync: true }));
  for (const warning of warnings) log.warn(warning);
  const starting = new AbortController();
  let runner: RunningRunner | null = null;
  let asked = 0;
  const onSignal = () => {
    asked += 1;
    log.info(asked === 1 ? 'draining: what runs is finished, a second signal ends it' : 'ending at once');
    if (!runner) starting.abort(new CannotRun('stopped before the server answered'));
    else if (asked === 1) runner.drain();
    else runner.stop();
  };
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, onSignal);
  try {
    runner = await startRunner(config, log, starting.signal);
    await runner.ended;
    return 0;
  } catch (error) {
    if (!(error instanceof CannotRun)) throw error;
    if (asked > 0) return 0;
    log.fatal(error.message);
    return 1;
  } finally {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.off(name, onSignal);
  }
}

function dieWithParent(): void {
  for (const event of ['end', 'close', 'error']) process.stdin.once(event, () => process.exit(1));
  // So that a runner that has been drained does not wait for it.
  process.stdin.resume().unref?.();
}

function greeting(config: RunnerConfig, { dataDir, sandbox, toolchain }: Machine) {
  return {
    protocol: PROTOCOL_VERSION,
    version: version(),
    instance: dataDir.instance,
    labels: config.labels ? [...config.labels] : null,
    capacity: config.capacity,
    sandbox: sandbox.describe(),
    toolchain,
  };
}

function toolsOf(
  config: RunnerConfig,
  o: Pick<JobTools, 'client' | 'times' | 'timeScale' | 'secrets' | 'log'> & { machine: Machine },
): JobTools {
  const { dataDir, sandbox, toolchain } = o.machine;
  const mirrors = new Mirrors({
    directory: dataDir.mirrors,
    server: config.server,
    client: o.client,
    world: { env: config.gitEnv },
    timeScale: o.timeScale,
  });
  return {
    client: o.client,
    sandbox,
    mirrors,
    attempts: dataDir.attempts,
    toolchain,
    times: o.times,
    timeScale: o.timeScale,
    mounts: config.stepMounts,
    passThrough: config.stepEnv,
    path: config.stepPath,
    secrets: o.secrets,
    log: o.log,
  };
}

function version(): string {
  return JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')).version;
}

function unwanted(error: unknown): never {
  if (!(error instanceof Refused)) throw error;
  throw new CannotRun(`The server does not take this runner: ${error.message}`, { cause: error });
}
