import { setTimeout as pass } from 'node:timers/promises';
import { openPostgres } from '@reprise/server/db/postgres.ts';
import { Secret } from '@reprise/server/secret.ts';
import { Cluster, type ClusterServer } from '../rig/cluster.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import type { RepriseProcess } from '../rig/process.ts';
import type { Random } from '../rig/random.ts';
import type { RigProject } from '../rig/reprise.ts';
import { CANARY, printing } from './printed.ts';
import { Pushes } from './pushes.ts';

export const PROJECT = 'storm';

/** Lines that each job prints. */
export const LINES = 20;

/** A lease of 150 s takes 7.5 s: long enough that two busy cores alone lose none. */
const TIME_SCALE = 20;
export const LEASE_MS = 150_000 / TIME_SCALE;

export interface StormSize {
  runners: number;
  builds: number;
  /** Of each build. */
  jobs: number;
  faults: number;
}

/** What decides that which a build's job `j<at>` prints. */
export function seedOf(build: number, at: number): number {
  return build * 1000 + at;
}

/**
 * Two servers behind HAProxy with PostgreSQL, Redis and S3, and runners that come each by a way of its own, at work on the builds of
 * one project. `storm.test.ts` lets things happen to it, `storm-invariants.ts` says what must be true afterwards.
 */
export class Storm implements AsyncDisposable {
  readonly #undo = new AsyncDisposableStack();
  readonly cluster: Cluster;
  readonly size: StormSize;
  readonly random: Random;
  readonly pushes: Pushes;
  /** Past the servers, and past what is cut. */
  readonly records: Awaited<ReturnType<typeof openPostgres>>['db'];
  /** The runners' ways to HAProxy, by name. */
  readonly lines = new Map<string, FaultProxy>();
  /** Everything that processes which were ended had printed. */
  readonly outputs: string[] = [];

  private constructor(
    cluster: Cluster,
    o: Pick<Storm, 'size' | 'random' | 'records'> & { project: Omit<RigProject, 'repository'> },
  ) {
    this.cluster = this.#undo.use(cluster);
    this.size = o.size;
    this.random = o.random;
    this.records = o.records;
    this.pushes = new Pushes(o.project);
  }

  static async start(size: StormSize, random: Random): Promise<Storm> {
    const env = { REPRISE_TEST_TIME_SCALE: String(TIME_SCALE) };
    const cluster = await Cluster.start(2, env, { isCuttable: true });
    const project = await cluster.project(PROJECT, { '.reprise.yml': pipeline(size) });
    await cluster.api('PUT', `/api/projects/${PROJECT}/secrets/CANARY`, { value: CANARY });
    const { db: records, close } = await openPostgres(new Secret(cluster.databaseUrl));
    const storm = new Storm(cluster, { size, random, records, project });
    storm.#undo.defer(close);
    for (let number = 1; number <= size.runners; number += 1) await storm.#addRunner(`runner-${number}`);
    return storm;
  }

  get jobs(): number {
    return this.size.builds * this.size.jobs;
  }

  /** How many jobs have come to an end. */
  async finished(): Promise<number> {
    const { count } = await this.records
      .selectFrom('jobs')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('finished_at', 'is not', null)
      .executeTakeFirstOrThrow();
    return count;
  }

  /** Resolves once so many jobs have come to an end. The database may be away meanwhile. */
  async untilFinished(jobs: number): Promise<void> {
    while ((await this.finished().catch(() => 0)) < jobs) await pass(50);
  }

  /** A runner at work, on a job that was not taken from another before: its second attempt would be its last. Where nobody is, any. */
  async pickRunner(): Promise<string> {
    const running = await this.records
      .selectFrom('attempts')
      .select(['runner_name', 'number'])
      .where('status', '=', 'running')
      .orderBy('runner_name')
      .execute();
    const spared = new Set(running.filter(({ number }) => number > 1).map((attempt) => attempt.runner_name));
    const names = [...new Set(running.map(({ runner_name }) => runner_name))];
    const found = names.filter((name) => !spared.has(name));
    return this.random.pick(found.length > 0 ? found : [...this.lines.keys()]);
  }

  pickLine(): FaultProxy {
    return this.random.pick([...this.lines.values()]);
  }

  pickServer(): number {
    return this.random.below(this.cluster.servers.length);
  }

  server(at: number): ClusterServer {
    const server = this.cluster.servers[at];
    if (!server) throw new Error(`There is no server ${at}.`);
    return server;
  }

  runner(name: string): RepriseProcess {
    const process = this.cluster.runner(name);
    if (!process) throw new Error(`There is no runner ${name}.`);
    return process;
  }

  /** Ends a server, as a power cut does or in order, and starts it again. */
  async restartServer(at: number, how: 'kill' | 'stop' = 'kill'): Promise<void> {
    const { process } = this.server(at);
    await process[how]();
    this.outputs.push(process.output());
    await this.cluster.startServer(at);
  }

  async restartRunner(name: string): Promise<void> {
    const process = this.runner(name);
    await process.kill();
    this.outputs.push(process.output());
    this.cluster.restartRunner(name);
  }

  /** Ends everything in order, so that what is left can be looked at. */
  async stop(): Promise<void> {
    const processes = [
      ...[...this.lines.keys()].map((name) => this.runner(name)),
      ...this.cluster.servers.map(({ process }) => process),
    ];
    for (const process of processes) {
      await process.stop();
      this.outputs.push(process.output());
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }

  async #addRunner(name: string): Promise<void> {
    const line = this.#undo.use(await FaultProxy.to(this.cluster.address));
    this.lines.set(name, line);
    const env = { REPRISE_TEST_TIME_SCALE: String(TIME_SCALE) };
    await this.cluster.startRunner(name, { address: line.address, env });
  }
}

function pipeline({ jobs }: StormSize): string {
  const run = printing(`$((REPRISE_BUILD * 1000 + \${REPRISE_JOB#j}))`, { lines: LINES });
  const names = Array.from({ length: jobs }, (_, at) => `j${at + 1}`);
  const job = { secrets: ['CANARY'], steps: [{ run }] };
  return JSON.stringify({ version: 1, jobs: Object.fromEntries(names.map((name) => [name, job])) });
}
