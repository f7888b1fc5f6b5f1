import { setTimeout } from 'node:timers/promises';
import type { Build } from '@reprise/server/api.ts';
import type { Rig } from '../rig/reprise.ts';
import { atLeast, type Benchmark } from './benchmark.ts';
import { alternate, pick } from './measure.ts';
import { residentMb } from './memory.ts';
import { startScript } from './program.ts';
import { pipelineOf } from './repositories.ts';
import { instant, passed, planned, startRig } from './reprise.ts';

const JOBS = 500;
const AT_ONCE = 4;

/** What a careful person would type to run a command isolated: the price of isolation itself. */
const BWRAP = 'bwrap --unshare-all --die-with-parent --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp true';

/** The queue is filled while the runner is told to take nothing; then it is let go. */
export const jobsPerSecond: Benchmark = {
  name: 'jobs-per-second',
  what: `${JOBS} queued builds of one job \`true\`, ${AT_ONCE} at once, each with its checkout, sandbox, log and durable records`,
  plain: 'as many processes `true`, and as many bubblewrap sandboxes, from a small Node process',
  goal: { 'jobs, against processes': atLeast(119) },
  async run(context) {
    await using rig = await startRig('up', { REPRISE_EMBEDDED_RUNNERS: String(AT_ONCE) });
    const project = await rig.project('many', { '.reprise.yml': pipelineOf('true') });
    const { number: first } = await rig.api<Build>('POST', '/api/projects/many/builds', {
      ref: project.head,
    });
    await passed(rig, 'many', first);
    const server = rig.server.child.pid ?? 0;
    const before = residentMb(server);

    const rates = await alternate(context, {
      reprise: () => queueAndRun(rig, first, context.say),
      processes: () => spawned('true'),
      sandboxes: () => spawned(BWRAP),
    });
    const ours = pick(rates.reprise, 'rate');
    return [
      { name: 'jobs, against processes', unit: '/s', ours, plain: pick(rates.processes, 'rate') },
      { name: 'jobs, against sandboxes', unit: '/s', ours, plain: pick(rates.sandboxes, 'rate') },
      { name: "server's memory, grown", unit: 'MB', ours: [residentMb(server) - before], plain: null },
    ];
  },
};

/** Jobs a second, from the first one's claim to the last one's end as the server recorded them. */
async function queueAndRun(rig: Rig, first: number, say: (text: string) => void): Promise<{ rate: number }> {
  await drain(rig, true);
  const numbers: number[] = [];
  const queue = async () => {
    while (numbers.length < JOBS) {
      const at = numbers.push(0) - 1;
      const build = await rig.api<Build>('POST', `/api/projects/many/builds/${first}/rebuild`, {});
      numbers[at] = build.number;
    }
  };
  await Promise.all(Array.from({ length: 4 }, queue));
  const last = Math.max(...numbers);
  await planned(rig, 'many', last);
  say('all queued');
  await drain(rig, false);
  while ((await openBuilds(rig)) > 0) await setTimeout(100);
  const builds = await latest(rig, JOBS);
  const odd = builds.find(({ status }) => status !== 'passed');
  if (odd) throw new Error(`Build ${odd.number} is ${odd.status}: ${odd.why}`);
  const began = Math.min(...builds.map(({ startedAt }) => instant(startedAt)));
  const ended = Math.max(...builds.map(({ finishedAt }) => instant(finishedAt)));
  return { rate: builds.length / ((ended - began) / 1000) };
}

function drain(rig: Rig, draining: boolean): Promise<unknown> {
  return rig.api('PATCH', '/api/runners/embedded', { draining });
}

/** How many of the two kinds of unfinished builds there are, at most one of each looked for. */
async function openBuilds(rig: Rig): Promise<number> {
  const lists = ['queued', 'running'].map((status) =>
    rig.api<{ items: Build[] }>('GET', `/api/projects/many/builds?status=${status}&limit=1`),
  );
  return (await Promise.all(lists)).reduce((sum, { items }) => sum + items.length, 0);
}

async function latest(rig: Rig, count: number): Promise<Build[]> {
  const builds: Build[] = [];
  for (let before = ''; builds.length < count; ) {
    const page = await rig.api<{ items: Build[]; next: string | null }>(
      'GET',
      `/api/projects/many/builds?limit=${Math.min(200, count - builds.length)}${before}`,
    );
    builds.push(...page.items);
    if (page.next === null) break;
    before = `&before=${page.next}`;
  }
  return builds;
}

async function spawned(command: string): Promise<{ rate: number }> {
  const spawner = startScript('plain/spawner.ts', String(JOBS), String(AT_ONCE), ...command.split(' '));
  const seconds = Number(await spawner.line(/^[\d.]+$/));
  await spawner.stop();
  return { rate: JOBS / seconds };
}
