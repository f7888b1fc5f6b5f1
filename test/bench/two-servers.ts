import { setTimeout as pass } from 'node:timers/promises';
import type { Build } from '@reprise/server/api.ts';
import { Cluster } from '../rig/cluster.ts';
import { PuppetRunner, type RunnerHost, sha256, stepState } from '../rig/puppet-runner.ts';
import { type Benchmark, type Context, type Figure, ratioAtLeast } from './benchmark.ts';
import { alternate, pick, type Reading } from './measure.ts';
import { canHold, coresOf, hold, PARTS } from './processors.ts';

const BUILDS = 40;
const JOBS_A_BUILD = 5;
const JOBS = BUILDS * JOBS_A_BUILD;
/** They execute nothing: what is measured are the servers and what they stand on. */
const RUNNERS = 16;
/** Of a core, for each server: two of them, PostgreSQL and the rest then fit two cores, so that those are not the limit. */
const SHARE = 0.25;

const HELD = `each server held to ${SHARE} cores`;

/** The cores that each part kept busy are printed below the rate: they say what limits it. */
export const twoServers: Benchmark = {
  name: 'two-servers',
  what: `${JOBS} jobs claimed, logged and finished by ${RUNNERS} runners that execute nothing, at two servers with PostgreSQL, Redis and S3`,
  plain: 'the same at one of the two',
  goal: { ...(canHold() && { [`jobs, ${HELD}`]: ratioAtLeast(1.5) }) },
  async run(context) {
    await using cluster = await Cluster.start(2);
    await cluster.project('many', { '.reprise.yml': pipeline() });
    const runners: PuppetRunner[] = [];
    while (runners.length < RUNNERS) runners.push(await PuppetRunner.connect(hostOf(cluster, 0)));
    const free = await measure(context, cluster, { runners, share: null });
    if (!canHold()) return free;
    return [...free, ...(await measure(context, cluster, { runners, share: SHARE }))];
  },
};

async function measure(
  context: Context,
  cluster: Cluster,
  o: { runners: readonly PuppetRunner[]; share: number | null },
): Promise<Figure[]> {
  const readings = await alternate(context, {
    two: () => round(cluster, { ...o, servers: 2 }),
    one: () => round(cluster, { ...o, servers: 1 }),
  });
  return (['jobs', ...PARTS] as const).map((name) => ({
    name: `${name}, ${o.share === null ? 'nobody held' : HELD}`,
    unit: name === 'jobs' ? '/s' : 'cores',
    ours: pick(readings.two, name),
    plain: pick(readings.one, name),
  }));
}

/** Queues the jobs, and has them done at so many of the servers. The others run on, and have nothing to do. */
async function round(
  cluster: Cluster,
  o: { runners: readonly PuppetRunner[]; servers: number; share: number | null },
): Promise<Reading<'jobs' | (typeof PARTS)[number]>> {
  await queue(cluster);
  using _ = hold(
    cluster.servers.map(({ process }) => process.child.pid ?? 0),
    o.share,
  );
  const left = { jobs: JOBS };
  const began = performance.now();
  const cores = await coresOf(() =>
    Promise.all(o.runners.map((runner, at) => work(runner.at(hostOf(cluster, at % o.servers)), left))),
  );
  return { jobs: (JOBS * 1000) / (performance.now() - began), ...cores };
}

async function queue(cluster: Cluster): Promise<void> {
  const numbers: number[] = [];
  while (numbers.length < BUILDS) numbers.push(await cluster.build('many'));
  for (const number of numbers) {
    const path = `/api/projects/many/builds/${number}`;
    while ((await cluster.api<Build>('GET', path)).jobs.length < JOBS_A_BUILD) await pass(50);
  }
}

const LOG = 'it ran\n';
const RESULT = {
  steps: [stepState('step', { status: 'passed', exitCode: 0, finishedMs: 1 })],
  logSize: LOG.length,
  logSha256: sha256(LOG),
};

async function work(runner: PuppetRunner, left: { jobs: number }): Promise<void> {
  while (left.jobs > 0) {
    left.jobs -= 1;
    const job = await runner.take();
    await runner.log(job, 0, LOG);
    const { status, body } = await runner.finish(job, RESULT);
    if (status !== 200) throw new Error(`A result was answered ${status}: ${JSON.stringify(body)}`);
  }
}

function hostOf(cluster: Cluster, at: number): RunnerHost {
  const { address } = cluster.servers[at] ?? cluster;
  return {
    address,
    admin: async (method, path, body) => ({
      status: 200,
      body: await cluster.api(method, path, body, address),
    }),
  };
}

function pipeline(): string {
  const job = { steps: [{ name: 'step', run: 'true' }] };
  const names = Array.from({ length: JOBS_A_BUILD }, (_, at) => `j${at}`);
  return JSON.stringify({ version: 1, jobs: Object.fromEntries(names.map((name) => [name, job])) });
}
