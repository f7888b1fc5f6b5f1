import { ADMIN_TOKEN, type Rig, type RigProject } from '../rig/reprise.ts';
import { tempDir } from '../rig/temp.ts';
import { atMost, type Benchmark, ratioAtMost } from './benchmark.ts';
import { Client } from './client.ts';
import { FLOOD, floodProject, startFlood } from './log-flood.ts';
import { alternate, percentile, pick, timed } from './measure.ts';
import { childrenOf, residentMb, watchMemory } from './memory.ts';
import { shell, startScript } from './program.ts';
import { startRig } from './reprise.ts';

const VIEWERS = 5;
const PROBE_EVERY_MS = 10;

export const logWrite: Benchmark = {
  name: 'log-write',
  what: '200 MB of log in two million lines from one step, until its build has ended with the log stored',
  plain: 'the same command | cat > file; and the same flood with five people who watch it live',
  goal: {
    written: atMost(2.5),
    "server's memory, grown": atMost(64),
    'others answered, slowest': atMost(50),
    'with five live viewers': ratioAtMost(1.3),
    'others, with viewers, slowest': atMost(50),
  },
  async run(context) {
    await using rig = await startRig('up');
    using dir = tempDir();
    using client = new Client(rig.address, { token: ADMIN_TOKEN });
    const project = await floodProject(rig);

    const read = await alternate(context, {
      alone: () => flood(rig, project, client, 0),
      watched: () => flood(rig, project, client, VIEWERS),
      async plain() {
        const others = probe(client);
        const s = (await timed(() => shell(`${FLOOD.command} | cat > ${dir.join('log')}`))) / 1000;
        return { s, grown: 0, runnerGrown: 0, ...(await others.stop()), viewersS: 0 };
      },
    });
    const { alone, watched, plain } = read;
    return [
      { name: 'written', unit: 's', ours: pick(alone, 's'), plain: pick(plain, 's') },
      { name: "server's memory, grown", unit: 'MB', ours: pick(alone, 'grown'), plain: null },
      { name: "runner's memory, grown", unit: 'MB', ours: pick(alone, 'runnerGrown'), plain: null },
      { name: 'others answered, 99 of 100', unit: 'ms', ours: pick(alone, 'p99'), plain: pick(plain, 'p99') },
      {
        name: 'others answered, slowest',
        unit: 'ms',
        ours: pick(alone, 'slowest'),
        plain: pick(plain, 'slowest'),
      },
      { name: 'with five live viewers', unit: 's', ours: pick(watched, 's'), plain: pick(alone, 's') },
      {
        name: 'until the last viewer has it',
        unit: 's',
        ours: pick(watched, 'viewersS'),
        plain: pick(alone, 's'),
      },
      { name: 'memory grown, with viewers', unit: 'MB', ours: pick(watched, 'grown'), plain: null },
      {
        name: 'others, with viewers, slowest',
        unit: 'ms',
        ours: pick(watched, 'slowest'),
        plain: pick(plain, 'slowest'),
      },
    ];
  },
};

/** Five viewers' time is held against the same flood without them. */
async function flood(rig: Rig, project: RigProject, client: Client, viewers: number) {
  const { topic, release, ended } = await startFlood(rig, project);
  const audience =
    viewers > 0 ? startScript('log-viewers.ts', rig.address, ADMIN_TOKEN, topic, String(viewers)) : null;
  await audience?.line(/^watching$/);
  const server = rig.server.child.pid ?? 0;
  const [runner = 0] = childrenOf(server);
  const before = { server: residentMb(server), runner: residentMb(runner) };
  const memory = { server: watchMemory(server), runner: watchMemory(runner) };
  const others = probe(client);
  const start = performance.now();
  release();
  const s = await ended();
  const answers = await others.stop();
  await audience?.line(/^seen \d+ bytes [0-9a-f]{64}$/);
  const viewersS = (performance.now() - start) / 1000;
  await audience?.stop();
  return {
    s,
    viewersS,
    grown: memory.server.stop() - before.server,
    runnerGrown: memory.runner.stop() - before.runner,
    ...answers,
  };
}

/** Somebody else, who asks for the list of projects every few milliseconds. */
function probe(client: Client): { stop(): Promise<{ p99: number; slowest: number }> } {
  const times: Promise<number>[] = [];
  const ask = () => times.push(client.ask('/api/projects').then(({ ms }) => ms));
  ask();
  const timer = setInterval(ask, PROBE_EVERY_MS);
  return {
    async stop() {
      clearInterval(timer);
      const all = await Promise.all(times);
      return { p99: percentile(all, 99), slowest: Math.max(...all) };
    },
  };
}
