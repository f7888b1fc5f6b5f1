import { once } from 'node:events';
import type { Build } from '@reprise/server/api.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import type { RepriseProcess } from '../rig/process.ts';
import { Rig, type RigProject } from '../rig/reprise.ts';
import { CANARY, printing } from './printed.ts';
import { Pushes } from './pushes.ts';

const PROJECT = 'faults';

export interface Shape {
  runners: number;
  /** Lines that a build writes. */
  lines: number;
  /** Seconds that a build rests in the middle of them. */
  rest?: number;
  env?: Record<string, string>;
  /** The server's, where it is not to be the usual one. */
  dataDir?: string;
}

/** A runner as a process of its own, behind a network of its own. */
export interface FaultyRunner {
  name: string;
  token: string;
  proxy: FaultProxy;
  process: RepriseProcess;
}

/**
 * A server and its runners as processes, a project whose builds write a log that can be computed, and a sender of webhooks that, like
 * GitHub's, sends again what was not answered. `faults` happen to it; `invariants.ts` says what must be true afterwards.
 */
export class Installation implements AsyncDisposable {
  readonly rig: Rig;
  readonly pushes: Pushes;
  readonly shape: Shape;
  readonly runners: FaultyRunner[] = [];
  /** What the server answers for every log (`build/attempt`) and artifact (`build`) at the end. */
  readonly answers = { logs: new Map<string, Buffer>(), artifacts: new Map<number, Buffer>() };
  /** Everything that processes which were ended had printed. */
  readonly outputs: string[] = [];

  private constructor(rig: Rig, project: RigProject, shape: Shape) {
    this.rig = rig;
    this.pushes = new Pushes(project);
    this.shape = shape;
  }

  static async start(shape: Shape): Promise<Installation> {
    const rig = await Rig.start({
      env: { ...shape.env, ...(shape.dataDir && { REPRISE_DATA_DIR: shape.dataDir }) },
    });
    const project = await rig.project(PROJECT, { '.reprise.yml': pipeline(shape), data: 'the same bytes\n' });
    await rig.api('PUT', `/api/projects/${PROJECT}/secrets/CANARY`, { value: CANARY });
    const installation = new Installation(rig, project, shape);
    for (let number = 1; number <= shape.runners; number += 1)
      await installation.#addRunner(`runner-${number}`);
    return installation;
  }

  /** Whether the server's process lives. */
  get isUp(): boolean {
    const { exitCode, signalCode } = this.rig.server.child;
    return exitCode === null && signalCode === null;
  }

  push(o?: { times: number }): Promise<number> {
    return this.pushes.push(o);
  }

  /** Ends the server as a power cut does, or waits for it to end itself, and starts it again, with these settings of its own. */
  async restartServer(o: { wait?: boolean; crashAt?: string } = {}): Promise<void> {
    const { server } = this.rig;
    if (!o.wait) await server.kill();
    else if (this.isUp) await once(server.child, 'close');
    this.outputs.push(server.output());
    if (o.crashAt === undefined) await this.rig.startServer();
    else await this.#startToCrash(o.crashAt);
  }

  /** Ends a runner as a power cut does and starts it again on what it left. */
  async restartRunner(runner: FaultyRunner): Promise<void> {
    await runner.process.kill();
    this.outputs.push(runner.process.output());
    runner.process = this.#runnerProcess(runner);
  }

  /** Resolves once every build that was acknowledged is over, with what became of it. */
  async settled(): Promise<Build[]> {
    return Promise.all(this.pushes.builds.map((number) => this.rig.ended(PROJECT, number)));
  }

  /** Asks for every log and artifact, and ends everything in order, so that what is left on disk can be looked at. */
  async stop(): Promise<void> {
    for (const build of await this.settled()) await this.#keepAnswers(build);
    for (const { process } of this.runners) await process.stop();
    await this.rig.server.stop();
    this.outputs.push(this.rig.server.output(), ...this.runners.map(({ process }) => process.output()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.runners.map(({ process }) => process.kill()));
    await Promise.all(this.runners.map(({ proxy }) => proxy[Symbol.asyncDispose]()));
    await this.rig[Symbol.asyncDispose]();
  }

  /** It may come to the point while it starts. */
  async #startToCrash(point: string): Promise<void> {
    await this.rig.startServer({ REPRISE_TEST_CRASH_AT: point }).catch(async (error: unknown) => {
      const { child } = this.rig.server;
      if (this.isUp) await once(child, 'close');
      if (child.signalCode !== 'SIGKILL') throw error;
    });
  }

  async #keepAnswers({ number, jobs, artifacts }: Build): Promise<void> {
    const base = `/api/projects/${PROJECT}/builds/${number}`;
    for (const { number: attempt } of jobs.flatMap((job) => job.attempts))
      this.answers.logs.set(
        `${number}/${attempt}`,
        await this.#bytes(`${base}/jobs/work/log?attempt=${attempt}`),
      );
    for (const { fileName } of artifacts)
      this.answers.artifacts.set(number, await this.#bytes(`${base}/artifacts/${fileName}`));
  }

  async #bytes(path: string): Promise<Buffer> {
    const response = await this.rig.fetch(path);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return Buffer.from(await response.arrayBuffer());
  }

  async #addRunner(name: string): Promise<void> {
    const { token } = await this.rig.api<{ token: string }>('POST', '/api/runners', {
      name,
      labels: ['linux'],
    });
    const proxy = await FaultProxy.to(this.rig.address);
    const runner = { name, token, proxy };
    this.runners.push({ ...runner, process: this.#runnerProcess(runner) });
  }

  #runnerProcess({ name, token, proxy }: Omit<FaultyRunner, 'process'>): RepriseProcess {
    return this.rig.restartRunner(name, token, { env: { REPRISE_SERVER: proxy.address } });
  }
}

function pipeline(shape: Shape): string {
  const run = printing('$REPRISE_BUILD', shape);
  const job = { secrets: ['CANARY'], steps: [{ run }], artifact: { name: 'site', paths: ['data'] } };
  return JSON.stringify({ version: 1, jobs: { work: job } });
}
