import { setTimeout } from 'node:timers/promises';
import { ADMIN_TOKEN } from '../rig/reprise.ts';
import { tempDir } from '../rig/temp.ts';
import { atMost, type Benchmark, ratioAtMost } from './benchmark.ts';
import { Client } from './client.ts';
import { alternate, pick } from './measure.ts';
import { childrenOf, proportionalMb, residentMb } from './memory.ts';
import { startPlainServer } from './program.ts';
import { startRig } from './reprise.ts';

/** Until what start-up left behind is given back, as far as it ever is. */
const SETTLE_MS = 1500;

export const idleMemory: Benchmark = {
  name: 'idle-memory',
  what: 'memory of a started server that waits, and of its embedded runner',
  plain: 'a server of the same libraries that does nothing (express, socket.io, better-sqlite3, kysely, zod)',
  goal: { 'server, resident': ratioAtMost(1.15), 'server and runner, their share': atMost(200) },
  async run(context) {
    const read = await alternate(context, {
      async ours() {
        await using rig = await startRig('up');
        await runnerConnected(rig.address);
        // The second start is the usual one: what the first one makes for good (tables, caches, tokens) is there.
        await rig.server.stop();
        await rig.startServer();
        await runnerConnected(rig.address);
        await setTimeout(SETTLE_MS);
        const server = rig.server.child.pid ?? 0;
        const [runner = 0] = childrenOf(server);
        const own = proportionalMb(server);
        return {
          server: residentMb(server),
          runner: residentMb(runner),
          share: own,
          both: own + proportionalMb(runner),
        };
      },
      async plain() {
        using dir = tempDir();
        await using empty = await startPlainServer('plain/empty-server.ts', dir.join('empty.db'));
        using client = new Client(empty.address);
        await client.ask('/healthz');
        await setTimeout(SETTLE_MS);
        const share = proportionalMb(empty.pid);
        return { server: residentMb(empty.pid), runner: 0, share, both: share };
      },
    });
    const { ours, plain } = read;
    return [
      { name: 'server, resident', unit: 'MB', ours: pick(ours, 'server'), plain: pick(plain, 'server') },
      { name: 'server, its share', unit: 'MB', ours: pick(ours, 'share'), plain: pick(plain, 'share') },
      { name: 'runner, resident', unit: 'MB', ours: pick(ours, 'runner'), plain: null },
      { name: 'server and runner, their share', unit: 'MB', ours: pick(ours, 'both'), plain: null },
    ];
  },
};

async function runnerConnected(address: string): Promise<void> {
  using client = new Client(address, { token: ADMIN_TOKEN });
  for (;;) {
    const { items } = await client.json<{ items: { connected: boolean }[] }>('/api/runners');
    if (items.some(({ connected }) => connected)) return;
    await setTimeout(20);
  }
}
