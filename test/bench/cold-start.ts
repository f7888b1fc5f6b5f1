import { startReprise } from '../rig/process.ts';
import { ADMIN_TOKEN } from '../rig/reprise.ts';
import { tempDir } from '../rig/temp.ts';
import { type Benchmark, ratioAtMost } from './benchmark.ts';
import { Client } from './client.ts';
import { alternate, pick } from './measure.ts';
import { startPlainServer } from './program.ts';

const STARTS = 3;

export const coldStart: Benchmark = {
  name: 'cold-start',
  what: 'from starting the server, on data it has, to its first answer',
  plain: 'a server of the same libraries that does nothing (express, socket.io, better-sqlite3, kysely, zod)',
  goal: { 'first answer': ratioAtMost(1.3) },
  async run(context) {
    using dir = tempDir();
    const env = {
      HOME: dir.path,
      REPRISE_PORT: '0',
      REPRISE_DATA_DIR: dir.join('data'),
      REPRISE_ADMIN_TOKEN: ADMIN_TOKEN,
    };
    const times = await alternate(context, {
      ours: () =>
        meanStart(async () => {
          const server = startReprise(['server'], env);
          const line = await server.line(/^Reprise listening on /);
          await answer(line.replace('Reprise listening on ', ''));
          return server;
        }),
      plain: () =>
        meanStart(async () => {
          const server = await startPlainServer('plain/empty-server.ts', dir.join('empty.db'));
          await answer(server.address);
          return server;
        }),
    });
    return [
      { name: 'first answer', unit: 'ms', ours: pick(times.ours, 'ms'), plain: pick(times.plain, 'ms') },
    ];
  },
};

async function meanStart(start: () => Promise<AsyncDisposable>): Promise<{ ms: number }> {
  let sum = 0;
  for (let count = 0; count < STARTS; count += 1) {
    const began = performance.now();
    await using _server = await start();
    sum += performance.now() - began;
  }
  return { ms: sum / STARTS };
}

async function answer(address: string): Promise<void> {
  using client = new Client(address);
  await client.ask('/healthz');
}
