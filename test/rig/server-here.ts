import type { Build } from '@reprise/server/api.ts';
import { type RunningServer, startServer } from '@reprise/server/app.ts';
import { parseServerConfig } from '@reprise/server/config.ts';
import { pino } from 'pino';
import { engineSettings } from './engine.ts';
import { deliver, pushPayload } from './github.ts';
import { makeRepository, type TestRepository } from './repository.ts';
import { tempDir } from './temp.ts';

const ADMIN_TOKEN = 'the-token-of-the-tests-administrator-0123';

/** A JSON answer of any shape: the tests say what they expect of it. */
// biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what a test is about
export type Body = any;

export interface Answer<Shape = Body> {
  status: number;
  body: Shape;
}

export interface HereProject {
  name: string;
  repository: TestRepository;
  /** The first commit. */
  head: string;
  webhook: { url: string; secret: string };
}

/** A whole server without runners in the test's own process: real HTTP, SQLite, git and files. */
export class ServerHere implements AsyncDisposable {
  readonly #dir = tempDir();
  readonly #env: Record<string, string>;
  #running: RunningServer | null = null;
  /** Every line of the operator's log. */
  readonly logLines: Record<string, unknown>[] = [];

  private constructor(env: Record<string, string>) {
    this.#env = env;
  }

  static async start(env: Record<string, string> = {}): Promise<ServerHere> {
    const here = new ServerHere({ ...(await engineSettings()), ...env });
    await here.startAgain();
    return here;
  }

  /** Stops the server if it runs, and starts it on the same data. */
  async startAgain(): Promise<void> {
    await this.#running?.close();
    const { config, problems } = parseServerConfig({
      REPRISE_DATA_DIR: this.path('data'),
      REPRISE_PORT: '0',
      REPRISE_ADMIN_TOKEN: ADMIN_TOKEN,
      REPRISE_GIT_PROTOCOLS: 'file',
      ...this.#env,
    });
    if (!config) throw new Error(problems.join(' '));
    const write = (line: string) => void this.logLines.push(JSON.parse(line));
    this.#running = await startServer(config, pino({ level: 'info' }, { write }));
  }

  get address(): string {
    return this.#server.address;
  }

  get services(): RunningServer['services'] {
    return this.#server.services;
  }

  get routes(): RunningServer['routes'] {
    return this.#server.routes;
  }

  path(...parts: string[]): string {
    return this.#dir.join(...parts);
  }

  /** A request as the administrator. */
  async admin<Shape = Body>(method: string, path: string, body?: object): Promise<Answer<Shape>> {
    const response = await fetch(`${this.address}${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }

  /** A repository with one commit of these files, registered as a project of the same name. */
  async project(name: string, files: Record<string, string>, extra: object = {}): Promise<HereProject> {
    const repository = makeRepository(this.path('repositories', name));
    const head = repository.commit('First', files);
    const given = { name, cloneUrl: `file://${repository.path}`, github: `example/${name}`, ...extra };
    const { status, body } = await this.admin('POST', '/api/projects', given);
    if (status !== 201) throw new Error(JSON.stringify(body));
    return { name, repository, head, webhook: body.webhook };
  }

  /** Delivers GitHub's push of a commit and returns its build's number; `payload` changes what is delivered. */
  async push(
    project: HereProject,
    after: string,
    o: { branch?: string; payload?: object } = {},
  ): Promise<number> {
    const branch = o.branch ?? 'main';
    const payload = { ...pushPayload({ github: `example/${project.name}`, branch, after }), ...o.payload };
    const url = `${this.address}/webhooks/github/${project.name}`;
    const response = await deliver({ secret: project.webhook.secret, url, event: 'push', payload });
    const answer = (await response.json()) as { builds?: { number: number }[] };
    const [build] = answer.builds ?? [];
    if (!build) throw new Error(`${response.status} ${JSON.stringify(answer)}`);
    return build.number;
  }

  /** A job's whole log. */
  async log(project: string, number: number, job: string): Promise<string> {
    const path = `/api/projects/${project}/builds/${number}/jobs/${job}/log`;
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    return (await fetch(`${this.address}${path}`, { headers })).text();
  }

  async build(project: string, number: number): Promise<Build> {
    const { status, body } = await this.admin('GET', `/api/projects/${project}/builds/${number}`);
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body;
  }

  /** Resolves once the build satisfies the condition; looks again whenever the server announces a change. */
  async until(project: string, number: number, is: (build: Build) => boolean): Promise<Build> {
    const found = Promise.withResolvers<Build>();
    const look = () =>
      this.build(project, number).then((build) => is(build) && found.resolve(build), found.reject);
    const topic = `build:${project}/${number}`;
    const stop = this.services.live.onChanged((changed) => {
      if (changed === topic) void look();
    });
    void look();
    try {
      return await found.promise;
    } finally {
      stop();
    }
  }

  /** Resolves once planning has come to something. */
  planned(project: string, number: number): Promise<Build> {
    return this.until(project, number, ({ jobs, finishedAt }) => jobs.length > 0 || finishedAt !== null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.close();
    this.#dir[Symbol.dispose]();
  }

  get #server(): RunningServer {
    if (!this.#running) throw new Error('The server is not running.');
    return this.#running;
  }
}
