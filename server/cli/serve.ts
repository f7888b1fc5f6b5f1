import { pino } from 'pino';
import { type RunningServer, startServer } from '../app.ts';
import { firstAdminLink } from '../auth/link.ts';
import { parseServerConfig } from '../config.ts';
import { armCrashPoint } from '../crash-point.ts';
import { buildPage } from '../page/build.ts';
import { CommandFailure } from './client.ts';
import { startEmbeddedRunner } from './embedded-runner.ts';

/**
 * `reprise up` and `reprise server`: runs until TERM or INT, then drains. Standard output is for people (its first line
 * is the address, its second the link for the first administrator while there is none); the operator's log is JSON lines on standard error.
 */
export async function serve(env: NodeJS.ProcessEnv, o: { withRunner: boolean }): Promise<void> {
  const { config, problems, warnings } = parseServerConfig(env);
  if (config === null) throw new CommandFailure(['Reprise cannot start:', ...problems].join('\n  '), 2);
  armCrashPoint(config.crashAt);
  const log = pino({ name: 'reprise', level: config.logLevel }, pino.destination({ fd: 2, sync: true }));
  for (const warning of warnings) log.warn(warning);

  await buildPage((sentence) => log.info(sentence));
  const stopping = whenAsked();
  const withRunner = o.withRunner && config.embeddedRunners > 0;
  const server = await startServer(config, log, { withRunner });
  console.log(`Reprise listening on ${server.address}`);
  const first = await firstAdminLink(server.services);
  if (first !== null) console.log(`Make the first administrator: ${first}`);
  const runner = withRunner ? await startEmbeddedRunner(server, env) : null;
  log.info({ address: server.address, dataDir: config.dataDir }, 'ready');

  const signal = await stopping;
  log.info({ signal }, 'stopping: no new work, what runs is ended in order');
  await stop(server, runner);
  log.info('stopped');
}

async function stop(server: RunningServer, runner: { stop(): Promise<void> } | null): Promise<void> {
  // A second signal does not wait.
  void whenAsked().then(() => process.exit(1));
  await runner?.stop();
  await server.close();
}

function whenAsked(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
}
