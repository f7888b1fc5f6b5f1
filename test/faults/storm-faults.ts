import { setTimeout as pass } from 'node:timers/promises';
import type { FaultProxy, Weather } from '../rig/fault-proxy.ts';
import { LEASE_MS, type Storm } from './storm.ts';

/** One thing that goes wrong; resolves when it is over. */
type Fault = (storm: Storm) => Promise<void>;

/** Long enough to be noticed everywhere, and shorter than what ends a lease. */
const WHILE_MS = LEASE_MS / 5;

export const STORM_FAULTS: Record<string, Fault> = {
  'a server killed': (storm) => storm.restartServer(storm.pickServer()),
  'a server drained': (storm) => storm.restartServer(storm.pickServer(), 'stop'),
  'a server asleep': async (storm) => {
    const { child } = storm.server(storm.pickServer()).process;
    child.kill('SIGSTOP');
    await pass(WHILE_MS);
    child.kill('SIGCONT');
  },
  'both servers killed': async (storm) => {
    await Promise.all([storm.restartServer(0), storm.restartServer(1)]);
  },
  'a runner killed': async (storm) => storm.restartRunner(await storm.pickRunner()),
  'a runner asleep past its lease': async (storm) => {
    const { child } = storm.runner(await storm.pickRunner());
    child.kill('SIGSTOP');
    await pass(LEASE_MS * 1.2);
    child.kill('SIGCONT');
  },
  'a line cut': async (storm) => storm.pickLine().cut(),
  'a line down': (storm) => weather(storm.pickLine(), 'down'),
  'a line dead': (storm) => weather(storm.pickLine(), 'blackhole'),
  'answers lost': (storm) => losingAnswers([...storm.lines.values()]),
  'HAProxy killed': ({ cluster }) => cluster.haproxy.restart(),
  'Redis killed': async ({ cluster }) => {
    await cluster.redis.signal('SIGKILL');
    await pass(WHILE_MS);
    await cluster.redis.startAgain();
  },
  'Redis flushed': async ({ cluster }) => cluster.redis.flush(),
  'Redis asleep': async ({ cluster }) => {
    await cluster.redis.signal('SIGSTOP');
    await pass(WHILE_MS);
    await cluster.redis.signal('SIGCONT');
  },
  "a server's line to PostgreSQL cut": async (storm) => wayToDatabase(storm).cut(),
  "a server's line to PostgreSQL dead": (storm) => weather(wayToDatabase(storm), 'blackhole'),
  'the lines to the storage cut': async (storm) => wayToStorage(storm).cut(),
  'the storage down': (storm) => weather(wayToStorage(storm), 'down'),
  'the storage dead': (storm) => weather(wayToStorage(storm), 'blackhole'),
  'answers of the storage lost': (storm) => losingAnswers([wayToStorage(storm)]),
  'PostgreSQL crashed': async ({ cluster }) => {
    await cluster.postgres.crash();
    await cluster.postgres.startAgain();
  },
};

async function weather(line: FaultProxy, bad: Weather): Promise<void> {
  line.weather = bad;
  await pass(WHILE_MS);
  line.weather = 'fair';
}

async function losingAnswers(lines: readonly FaultProxy[]): Promise<void> {
  for (const line of lines) line.losesAnswers = true;
  await pass(WHILE_MS);
  for (const line of lines) line.losesAnswers = false;
}

function wayToStorage({ cluster: { toStorage } }: Storm): FaultProxy {
  if (!toStorage) throw new Error('The servers come to the storage by no way that can be cut.');
  return toStorage;
}

function wayToDatabase(storm: Storm): FaultProxy {
  const { toDatabase } = storm.server(storm.pickServer());
  if (!toDatabase) throw new Error('The servers come to PostgreSQL by no way that can be cut.');
  return toDatabase;
}
