import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Build } from '@reprise/server/api.ts';
import { io, type Socket } from 'socket.io-client';
import { engineSettings } from './engine.ts';
import { deliver, pushPayload } from './github.ts';
import { type RepriseProcess, startReprise } from './process.ts';
import { makeRepository, type TestRepository } from './repository.ts';
import { tempDir } from './temp.ts';

export const ADMIN_TOKEN = 'the-token-of-the-tests-administrator-0123';

/** The scaled times of scenarios: a lease of 150 s takes 3 s, the grace before KILL 0.2 s. */
const TIME_SCALE = '50';

export interface RigOptions {
  /** `server`: runners are started by the test. `up`: with the embedded one. */
  command?: 'server' | 'up';
  env?: Record<string, string>;
}

/** A real server as a process on a fresh data directory, spoken to as its users speak to it. */
export class Rig implements AsyncDisposable {
  readonly #dir = tempDir();
  /** Where a puppet step waits for `go`; visible in every sandbox at the same path, read-only. */
  readonly puppets = mkdtempSync('/var/tmp/reprise-puppets-');
  readonly #servers: RepriseProcess[] = [];
  readonly #runners: RepriseProcess[] = [];
  readonly #options: RigOptions;
  #socket: Socket | null = null;
  /** How many wait for something of a topic. */
  readonly #watching = new Map<string, number>();
  #port = '0';
  server!: RepriseProcess;
  address = '';

  private constructor(options: RigOptions) {
    this.#options = options;
    // Steps look into it as another user.
    chmodSync(this.puppets, 0o755);
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(options);
    await rig.startServer();
    return rig;
  }

  /** Where the server keeps what it keeps on this machine. */
  get dataDir(): string {
    return this.#options.env?.['REPRISE_DATA_DIR'] ?? this.path('data');
  }

  path(...parts: string[]): string {
    return this.#dir.join(...parts);
  }

  /** Starts the server, again on the same port and data after it was ended; `env` holds for this start. */
  async startServer(env: Record<string, string> = {}): Promise<void> {
    this.server = startReprise([this.#options.command ?? 'server'], {
      ...this.#commonEnv(),
      REPRISE_PORT: this.#port,
      REPRISE_DATA_DIR: this.dataDir,
      REPRISE_ADMIN_TOKEN: ADMIN_TOKEN,
      REPRISE_GIT_PROTOCOLS: 'file:https:http:ssh',
      ...(await engineSettings(this.dataDir)),
      ...this.#options.env,
      ...env,
    });
    this.#servers.push(this.server);
    const line = await this.server.line(/^Reprise listening on /);
    this.address = line.replace('Reprise listening on ', '');
    this.#port = new URL(this.address).port;
  }

  /** Registers a runner and starts it as a process of its own. */
  async startRunner(name: string, o: StartRunner & { labels?: string[] } = {}): Promise<RepriseProcess> {
    const body = { name, labels: o.labels ?? ['linux'] };
    const { token } = await this.api<{ token: string }>('POST', '/api/runners', body);
    return this.restartRunner(name, token, o);
  }

  /** Starts a runner process with a token it already has, on its own data directory. */
  restartRunner(name: string, token: string, o: StartRunner = {}): RepriseProcess {
    const env = {
      ...this.#commonEnv(),
      REPRISE_SERVER: this.address,
      REPRISE_RUNNER_TOKEN: token,
      REPRISE_DATA_DIR: this.path(`runner-${name}`),
      ...o.env,
    };
    const runner = startReprise(['runner'], env, o.through);
    this.#runners.push(runner);
    return runner;
  }

  /** A request to the API as the administrator; rejects with the problem's text unless it is 2xx. */
  async api<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await this.fetch(path, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as Answer;
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, ...(init.headers as Record<string, string>) };
    return fetch(`${this.address}${path}`, { ...init, headers });
  }

  /** A repository with one commit of these files, registered as a project of the same name. */
  async project(name: string, files: Record<string, string>, extra: object = {}): Promise<RigProject> {
    const repository = makeRepository(this.path('repositories', name));
    const head = repository.commit('First', files);
    const { webhook } = await this.api<{ webhook: { url: string; secret: string } }>(
      'POST',
      '/api/projects',
      {
        name,
        cloneUrl: `file://${repository.path}`,
        github: `example/${name}`,
        ...extra,
      },
    );
    return { name, repository, head, webhook };
  }

  /** Delivers GitHub's push of a commit to a branch; returns the build's number. */
  async push(
    project: RigProject,
    after: string,
    o: { branch?: string; before?: string } = {},
  ): Promise<number> {
    const payload = pushPayload({
      github: `example/${project.name}`,
      branch: o.branch ?? 'main',
      after,
      before: o.before,
    });
    const response = await deliver({ ...project.webhook, event: 'push', payload });
    const answer = (await response.json()) as { builds?: { number: number }[] };
    const [build] = answer.builds ?? [];
    if (!build) throw new Error(`push: ${response.status} ${JSON.stringify(answer)}`);
    return build.number;
  }

  /** Resolves once the build satisfies the condition. */
  until(project: string, number: number, is: (build: Build) => boolean): Promise<Build> {
    return this.when(`build:${project}/${number}`, async () => {
      const build = await this.api<Build>('GET', `/api/projects/${project}/builds/${number}`);
      return is(build) ? build : null;
    });
  }

  /**
   * Resolves with what is found by looking, once that is not null: looks now, at each of the server's live events for the topic,
   * and when the server is back after it was away.
   */
  async when<Found>(topic: string, look: () => Found | null | Promise<Found | null>): Promise<Found> {
    const socket = this.#live();
    const { promise, resolve, reject } = Promise.withResolvers<Found>();
    const isAway = (error: Error) => error instanceof TypeError || / 503 /.test(error.message);
    const lookNow = async () => {
      try {
        const found = await look();
        if (found !== null) resolve(found);
      } catch (error) {
        if (!isAway(error as Error)) reject(error);
      }
    };
    const onChanged = (event: { topic: string }) => void (event.topic === topic && lookNow());
    const watch = () => socket.emit('watch', { topic }, lookNow);
    this.#watching.set(topic, (this.#watching.get(topic) ?? 0) + 1);
    socket.on('changed', onChanged).on('connect', watch);
    if (socket.connected) watch();
    try {
      return await promise;
    } finally {
      socket.off('changed', onChanged).off('connect', watch);
      const others = (this.#watching.get(topic) ?? 0) - 1;
      this.#watching.set(topic, others);
      if (others === 0) socket.emit('unwatch', { topic });
    }
  }

  /** Resolves once the build has ended. */
  ended(project: string, number: number): Promise<Build> {
    return this.until(project, number, (build) => build.finishedAt !== null);
  }

  async log(project: string, number: number, job: string, attempt?: number): Promise<string> {
    const query = attempt === undefined ? '' : `?attempt=${attempt}`;
    const response = await this.fetch(`/api/projects/${project}/builds/${number}/jobs/${job}/log${query}`);
    if (!response.ok) throw new Error(`log: ${response.status} ${await response.text()}`);
    return response.text();
  }

  /** Resolves once a job's log holds the text. */
  async logHas(project: string, number: number, job: string, text: string): Promise<void> {
    const attempts = await this.until(project, number, (build) =>
      build.jobs.some((j) => j.name === job && j.attempt > 0),
    );
    const attempt = attempts.jobs.find((j) => j.name === job)?.attempt;
    const socket = this.#live();
    const found = Promise.withResolvers<void>();
    let held = Buffer.alloc(0);
    const topic = `log:${project}/${number}/${job}/${attempt}`;
    const onLog = (event: { topic: string; offset: number; bytes: Uint8Array }, ack: () => void) => {
      if (event.topic !== topic) return;
      held = Buffer.concat([held.subarray(0, event.offset), event.bytes]);
      ack();
      if (held.includes(text)) found.resolve();
    };
    socket.on('log', onLog);
    socket.emit('watch', { topic, offset: 0 }, (answer: { ok: boolean }) => {
      if (!answer.ok) found.reject(new Error(`cannot watch ${topic}: ${JSON.stringify(answer)}`));
    });
    await found.promise;
    socket.off('log', onLog);
    socket.emit('unwatch', { topic });
  }

  /** Lets every puppet step of that name end. The step: `puppet('name')`. */
  release(puppet: string): void {
    writeFileSync(join(this.puppets, puppet), '');
  }

  /** Shell lines of a step that says it waits and then waits until the test releases it. */
  puppet(name: string): string {
    return `echo "${name} waits"; until test -e ${this.puppets}/${name}; do sleep 0.02; done; echo "${name} goes on"`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.disconnect();
    // Runners are killed: what they leave behind is looked at by tests of their own. The servers end in order.
    await Promise.all(this.#runners.map((process) => process.kill()));
    await Promise.all(this.#servers.map((process) => process.stop()));
    rmSync(this.puppets, { recursive: true, force: true });
    this.#dir[Symbol.dispose]();
  }

  #commonEnv(): Record<string, string> {
    mkdirSync(this.path('home'), { recursive: true });
    return {
      HOME: this.path('home'),
      REPRISE_TEST_TIME_SCALE: TIME_SCALE,
      REPRISE_STEP_MOUNTS: this.puppets,
    };
  }

  #live(): Socket {
    this.#socket ??= io(this.address, {
      transports: ['websocket'],
      auth: { token: ADMIN_TOKEN },
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
    });
    return this.#socket;
  }
}

export interface StartRunner {
  env?: Record<string, string>;
  /** Words put before the command, such as `setpriv --reuid=1234`. */
  through?: string[];
}

export interface RigProject {
  name: string;
  repository: TestRepository;
  /** The first commit. */
  head: string;
  webhook: { url: string; secret: string };
}
