import { randomBytes } from 'node:crypto';
import { FaultProxy } from './fault-proxy.ts';
import { freePort, type Haproxy, startHaproxy } from './haproxy.ts';
import { PostgresServer } from './postgres.ts';
import { type RepriseProcess, startReprise } from './process.ts';
import { RedisServer } from './redis.ts';
import { makeRepository } from './repository.ts';
import { ADMIN_TOKEN, type RigProject } from './reprise.ts';
import { startS3 } from './s3.ts';
import { tempDir } from './temp.ts';

const REGISTRATION = 'what-runners-of-the-tests-register-with';

/** One of several servers: a process with a data directory and a port of its own, the same after every start. */
export interface ClusterServer {
  process: RepriseProcess;
  address: string;
  port: number;
  /** Its way to PostgreSQL, where that can be cut. */
  toDatabase: FaultProxy | null;
}

interface Runner {
  token: string;
  address: string;
  env: Record<string, string>;
  process: RepriseProcess;
}

export interface ClusterOptions {
  /**
   * Every server comes to PostgreSQL by a way of its own that can be cut, and that costs some time; all come to the storage by one such way.
   */
  isCuttable?: boolean;
}

/** Servers behind HAProxy with PostgreSQL, Redis and S3-compatible storage, all real, and runners that come through HAProxy. */
export class Cluster implements AsyncDisposable {
  readonly #undo = new AsyncDisposableStack();
  readonly #dir = this.#undo.use(tempDir());
  readonly #runners = new Map<string, Runner>();
  readonly #env: Record<string, string>;
  readonly servers: ClusterServer[] = [];
  redis!: RedisServer;
  postgres!: PostgresServer;
  haproxy!: Haproxy;
  /** The servers' way to the storage, where that can be cut. */
  toStorage: FaultProxy | null = null;
  /** For who looks into the records past the servers. */
  databaseUrl = '';
  /** HAProxy's. */
  address = '';

  private constructor(env: Record<string, string>) {
    this.#env = env;
  }

  static async start(
    count: number,
    env: Record<string, string> = {},
    o: ClusterOptions = {},
  ): Promise<Cluster> {
    const cluster = new Cluster({
      REPRISE_ADMIN_TOKEN: ADMIN_TOKEN,
      REPRISE_SECRET_KEY: randomBytes(32).toString('hex'),
      REPRISE_RUNNER_REGISTRATION: REGISTRATION,
      REPRISE_GIT_PROTOCOLS: 'file',
      REPRISE_DRAIN_SECONDS: '2',
      ...env,
    });
    await cluster.#open(count, o);
    return cluster;
  }

  path(...parts: string[]): string {
    return this.#dir.join(...parts);
  }

  /** Starts a server, again on the same port and data after it was ended; `env` holds for this start. */
  async startServer(at: number, env: Record<string, string> = {}): Promise<void> {
    const server = this.servers[at];
    if (!server) throw new Error(`There is no server ${at}.`);
    server.process = startReprise(['server'], {
      ...this.#env,
      HOME: this.path(),
      DATABASE_URL: server.toDatabase ? this.#throughProxy(server.toDatabase) : this.databaseUrl,
      REPRISE_PORT: String(server.port),
      REPRISE_DATA_DIR: this.path(`server-${at}`),
      ...env,
    });
    await server.process.line(/^Reprise listening on /);
  }

  /** A runner with labels, connected through HAProxy or at the address given. */
  async startRunner(
    name: string,
    o: { labels?: string[]; address?: string; env?: Record<string, string> } = {},
  ) {
    const { token } = await this.api<{ token: string }>('POST', '/api/runners', {
      name,
      labels: o.labels ?? ['linux'],
    });
    return this.#run(name, token, o.address ?? this.address, o.env);
  }

  /** A runner that nobody added: it registers itself through HAProxy. */
  startOwnRunner(name: string, env: Record<string, string> = {}): RepriseProcess {
    const own = { REPRISE_RUNNER_REGISTRATION: REGISTRATION, REPRISE_RUNNER_NAME: name };
    return this.#run(name, '', this.address, { ...own, ...env });
  }

  /** The same runner again, after it was ended. */
  restartRunner(name: string): RepriseProcess {
    const known = this.#runners.get(name);
    if (!known) throw new Error(`There is no runner ${name}.`);
    return this.#run(name, known.token, known.address, known.env);
  }

  runner(name: string): RepriseProcess | undefined {
    return this.#runners.get(name)?.process;
  }

  async api<Answer>(method: string, path: string, body?: unknown, address = this.address): Promise<Answer> {
    const response = await fetch(`${address}${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as Answer;
  }

  /** A request to whichever server, again until one answers: servers are being killed. */
  async insist<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.api<Answer>(method, path, body);
      } catch (error) {
        if (tries > 200 || /: 4\d\d /.test(String(error))) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** A repository with one commit of these files, registered as a project of the same name. */
  async project(name: string, files: Record<string, string>): Promise<RigProject> {
    const repository = makeRepository(this.path('repositories', name));
    const head = repository.commit('First', files);
    const project = { name, cloneUrl: `file://${repository.path}`, github: `example/${name}` };
    const { webhook } = await this.api<Pick<RigProject, 'webhook'>>('POST', '/api/projects', project);
    return { name, repository, head, webhook };
  }

  /** Asks for a build of the default branch; returns its number. */
  async build(project: string): Promise<number> {
    const path = `/api/projects/${project}/builds`;
    return (await this.insist<{ number: number }>('POST', path, { ref: 'main', reason: 'test' })).number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#runners.values()].map(({ process }) => process.kill()));
    await Promise.all(this.servers.map(({ process }) => process.kill()));
    await this.#undo.disposeAsync();
  }

  async #open(count: number, { isCuttable = false }: ClusterOptions): Promise<void> {
    this.postgres = this.#undo.use(await PostgresServer.start());
    this.redis = this.#undo.use(await RedisServer.start());
    const s3 = this.#undo.use(await startS3());
    this.databaseUrl = await this.postgres.freshDatabase();
    const storage = new URL(await s3.bucket('reprise'));
    if (isCuttable) {
      this.toStorage = this.#undo.use(await FaultProxy.to(`http://${storage.host}`));
      storage.port = new URL(this.toStorage.address).port;
    }
    Object.assign(this.#env, { REDIS_URL: this.redis.url, STORAGE_URL: storage.href });
    const front = await freePort();
    this.address = `http://127.0.0.1:${front}`;
    this.#env['REPRISE_URL'] = this.address;
    for (let at = 0; at < count; at++) {
      const port = await freePort();
      const socket = `${this.postgres.socket}/.s.PGSQL.5432`;
      const toDatabase = isCuttable ? this.#undo.use(await FaultProxy.to(socket)) : null;
      this.servers.push({
        port,
        address: `http://127.0.0.1:${port}`,
        toDatabase,
        process: undefined as never,
      });
      await this.startServer(at);
    }
    const ports = this.servers.map(({ port }) => port);
    this.haproxy = this.#undo.use(await startHaproxy(front, ports));
  }

  #throughProxy(proxy: FaultProxy): string {
    const { pathname } = new URL(this.databaseUrl.replace('@/', '@localhost/'));
    return `postgres://postgres@${new URL(proxy.address).host}${pathname}`;
  }

  #run(name: string, token: string, address: string, env: Record<string, string> = {}): RepriseProcess {
    const process = startReprise(['runner'], {
      HOME: this.path(),
      REPRISE_SERVER: address,
      REPRISE_RUNNER_TOKEN: token,
      REPRISE_DATA_DIR: this.path(`runner-${name}`),
      ...env,
    });
    this.#runners.set(name, { token, address, env, process });
    return process;
  }
}
