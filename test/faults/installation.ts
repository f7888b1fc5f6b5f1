import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Build } from '@reprise/server/api.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { deliver, pushPayload } from '../rig/github.ts';
import type { RepriseProcess } from '../rig/process.ts';
import { Rig, type RigProject } from '../rig/reprise.ts';

const PROJECT = 'faults';
/** A secret of the project that its steps print: it must be found nowhere. */
export const CANARY = 'canary-9f31c0d2a7b54e68';

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
  readonly project: RigProject;
  readonly shape: Shape;
  readonly runners: FaultyRunner[] = [];
  /** What was answered 2xx: the delivery's id and its build. */
  readonly acknowledged = new Map<string, number>();
  /** What the server answers for every log (`build/attempt`) and artifact (`build`) at the end. */
  readonly answers = { logs: new Map<string, Buffer>(), artifacts: new Map<number, Buffer>() };
  /** Everything that processes which were ended had printed. */
  readonly outputs: string[] = [];
  #up: PromiseWithResolvers<void> | null = null;

  private constructor(rig: Rig, project: RigProject, shape: Shape) {
    this.rig = rig;
    this.project = project;
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

  /** Where the server keeps everything. */
  get dataDir(): string {
    return this.shape.dataDir ?? this.rig.path('data');
  }

  /** Sends a push until it is answered, and again if told, as GitHub may. Returns its build's number. */
  async push({ times = 1 } = {}): Promise<number> {
    const delivery = this.#delivery();
    let number: number | null = null;
    for (let sent = 0; sent < times || number === null; sent += 1) {
      const response = await this.#untilAnswered(() => deliver(delivery));
      const { builds } = (await response.json()) as { builds: { number: number }[] };
      number = builds[0]?.number ?? null;
      if (number !== null) this.acknowledged.set(delivery.guid, number);
    }
    return number ?? 0;
  }

  /** Sends a push and takes what it is answered for an answer. */
  async pushOnce(): Promise<{ status: number; body: unknown }> {
    const response = await deliver(this.#delivery());
    return { status: response.status, body: await response.json() };
  }

  /** Ends the server as a power cut does, or waits for it to end itself, and starts it again, with these settings of its own. */
  async restartServer(o: { wait?: boolean; crashAt?: string } = {}): Promise<void> {
    this.#up ??= Promise.withResolvers<void>();
    const { server } = this.rig;
    if (!o.wait) await server.kill();
    else if (this.isUp) await once(server.child, 'close');
    this.outputs.push(server.output());
    await this.rig.startServer(o.crashAt === undefined ? {} : { REPRISE_TEST_CRASH_AT: o.crashAt });
    this.#up.resolve();
    this.#up = null;
  }

  /** Ends a runner as a power cut does and starts it again on what it left. */
  async restartRunner(runner: FaultyRunner): Promise<void> {
    await runner.process.kill();
    this.outputs.push(runner.process.output());
    runner.process = this.#runnerProcess(runner);
  }

  /** Resolves once every build that was acknowledged is over, with what became of it. */
  async settled(): Promise<Build[]> {
    const numbers = [...new Set(this.acknowledged.values())];
    return Promise.all(numbers.map((number) => this.rig.ended(PROJECT, number)));
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

  #delivery() {
    // Another commit before it each time: else it would be taken for the same push, come by another webhook.
    const before = randomBytes(20).toString('hex');
    const payload = pushPayload({
      github: `example/${PROJECT}`,
      branch: 'main',
      before,
      after: this.project.head,
    });
    return { ...this.project.webhook, event: 'push', payload, guid: randomUUID() };
  }

  async #untilAnswered(ask: () => Promise<Response>): Promise<Response> {
    for (;;) {
      const response = await ask().catch(() => null);
      if (response?.ok) return response;
      if (response && response.status < 500) throw new Error(`${response.status} ${await response.text()}`);
      await (this.#up?.promise ?? new Promise((resolve) => setTimeout(resolve, 20)));
    }
  }
}

/** What a build's step prints: a stream that its number alone decides. */
export function expectedLines(build: number, lines: number): string {
  let state = build;
  let text = '';
  for (let line = 0; line < lines; line += 1) {
    state = (state * 16807) % 2147483647;
    text += `${line} ${state}\n`;
  }
  return `${text}the canary is ***\n`;
}

function pipeline({ lines, rest = 0 }: Shape): string {
  const run = `
    s=$REPRISE_BUILD
    for ((i = 0; i < ${lines}; i++)); do
      s=$(( s * 16807 % 2147483647 ))
      echo "$i $s"
      if [ $i = ${Math.floor(lines / 2)} ]; then sleep ${rest}; fi
    done
    echo "the canary is $CANARY"`;
  const job = { secrets: ['CANARY'], steps: [{ run }], artifact: { name: 'site', paths: ['data'] } };
  return JSON.stringify({ version: 1, jobs: { work: job } });
}
