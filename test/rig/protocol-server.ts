import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PlannedJob, PlannedStep } from '@reprise/pipelines/model.ts';
import {
  type Assignment,
  type Finish,
  finish,
  hello,
  PROTOCOL_VERSION,
  type ProtocolTimes,
  progress,
  renew,
  type StepState,
  scaleTimes,
} from '@reprise/runner/protocol.ts';
import type { TestRepository } from './repository.ts';

/**
 * What becomes of a request: `refuse` cuts the connection, `lose-answer` does so after the request was carried out, `hang`
 * never answers, `html` is a proxy's page.
 */
export type Fault = 'refuse' | 'lose-answer' | 'hang' | 'html' | 'unavailable' | null;

/** One attempt as the server sees it. */
export interface ServedAttempt {
  assignment: Assignment;
  log: Buffer;
  steps: StepState[];
  result: Finish | null;
  blobs: Map<string, Buffer>;
  cancelWanted: boolean;
  revoked: boolean;
  claimId: string | null;
  /** Resolves with the result when it has been taken. */
  finished: Promise<Finish>;
  /** Resolves when the log holds the text. */
  logged(text: string): Promise<void>;
}

type Offer = Partial<Omit<Assignment, 'job'>> & {
  job?: Partial<PlannedJob>;
  steps?: (Partial<PlannedStep> | string)[];
};

/**
 * The server's side of the runner protocol, kept in memory, over real HTTP and with git's real upload-pack behind: what a
 * runner's tests need to see everything it says and to break any of it.
 */
export class ProtocolServer implements AsyncDisposable {
  readonly token = `rpr_${randomBytes(32).toString('base64url')}`;
  readonly times: ProtocolTimes;
  readonly attempts: ServedAttempt[] = [];
  /** Every request as `METHOD path`, ids left out, in the order of arrival. */
  readonly requests: string[] = [];
  /** Decides about each request; tests set it. */
  fault: (request: string) => Fault = () => null;
  readonly #events = new EventEmitter().setMaxListeners(0);
  readonly #inputs = new Map<string, Buffer>();
  readonly #repository: TestRepository;
  #http: Server;
  #port = 0;
  #instance: string | null = null;

  static async start(repository: TestRepository, o: { timeScale?: number } = {}): Promise<ProtocolServer> {
    const server = new ProtocolServer(repository, scaleTimes(o.timeScale ?? 10));
    await server.listen();
    return server;
  }

  private constructor(repository: TestRepository, times: ProtocolTimes) {
    this.#repository = repository;
    this.times = times;
    this.#http = createServer();
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Begins (again) to answer, at the same address. */
  async listen(): Promise<void> {
    this.#http = createServer((request, response) => void this.#answer(request, response));
    this.#http.listen(this.#port, '127.0.0.1');
    await once(this.#http, 'listening');
    this.#port = (this.#http.address() as AddressInfo).port;
  }

  /** Is gone, as a killed server is; what it knew is kept for `listen`. */
  async vanish(): Promise<void> {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#http.listening) await this.vanish();
  }

  /** Queues a job for the repository's head. */
  offer(o: Offer = {}): ServedAttempt {
    const { job, steps = ['true'], ...rest } = o;
    const commit = rest.commit ?? this.#repository.git('rev-parse', 'HEAD');
    const keepRef = `refs/reprise/keep/${commit}`;
    this.#repository.git('update-ref', keepRef, commit);
    const result = Promise.withResolvers<Finish>();
    const served: ServedAttempt = {
      assignment: {
        attempt: id(),
        fence: id(),
        gitToken: `rpg_${randomBytes(32).toString('base64url')}`,
        project: 'shop',
        build: 1,
        job: plannedJob(job ?? {}, steps),
        attemptNumber: 1,
        commit,
        keepRef,
        tags: [],
        cloneUrl: 'https://forge.test/shop.git',
        version: '1.2.3',
        sourceDateEpoch: 1_767_225_600,
        env: { CI: 'true', REPRISE_PROJECT: 'shop', REPRISE_COMMIT: commit },
        inputs: [],
        secrets: {},
        deployment: null,
        logLimit: 1024 ** 3,
        ...rest,
      },
      log: Buffer.alloc(0),
      steps: [],
      result: null,
      blobs: new Map(),
      cancelWanted: false,
      revoked: false,
      claimId: null,
      finished: result.promise,
      logged: (text) => this.until(() => served.log.includes(text)),
    };
    void this.until(() => served.result !== null).then(() => result.resolve(served.result as Finish));
    this.attempts.push(served);
    this.#changed();
    return served;
  }

  /** Offers a job and waits for its result. */
  async perform(o: Offer = {}): Promise<{ result: Finish; log: string; attempt: ServedAttempt }> {
    const attempt = this.offer(o);
    const result = await attempt.finished;
    return { result, log: attempt.log.toString(), attempt };
  }

  cancel(attempt: ServedAttempt): void {
    attempt.cancelWanted = true;
    this.#changed();
  }

  /** Gives the attempt up: from now on its fence is stale. */
  revoke(attempt: ServedAttempt): void {
    attempt.revoked = true;
    this.#changed();
  }

  /** An artifact that a job can have as its input. */
  addInput(name: string, tarball: Buffer): Assignment['inputs'][number] {
    const digest = sha256(tarball);
    this.#inputs.set(digest, tarball);
    return { name, fileName: `${name}.tar.gz`, sha256: digest, size: tarball.length };
  }

  /** Resolves when the condition holds; looked at whenever anything has happened. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.#events, 'change');
  }

  /** The other runner of this token leaves, as far as this server knows. */
  forgetInstance(instance: string | null = null): void {
    this.#instance = instance;
  }

  #changed(): void {
    this.#events.emit('change');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.address);
    const what = `${request.method} ${url.pathname.replace(/\/(attempts|blobs|inputs)\/[0-9a-z]+/g, '/$1/*')}`;
    this.requests.push(what);
    const fault = this.fault(what);
    this.#changed();
    if (fault === 'hang') return;
    if (fault === 'refuse') return void request.socket.destroy();
    if (fault === 'html')
      return void response.setHeader('content-type', 'text/html').end('<html>Welcome</html>');
    if (fault === 'unavailable') return problem(response, 503, 'unavailable');
    if (fault === 'lose-answer') loseAnswer(response);
    try {
      await this.#route(request, response, url);
    } catch (error) {
      if (!(error instanceof No)) throw error;
      problem(response, error.status, error.code, error.extra);
    }
    this.#changed();
  }

  async #route(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    if (url.pathname.startsWith('/git/')) return this.#git(request, response, url);
    if (request.headers.authorization !== `Bearer ${this.token}`) throw new No(401, 'unauthenticated');
    const [, attempt, action, digest] = /attempts\/([^/]+)\/(\w+)(?:\/(\w+))?$/.exec(url.pathname) ?? [];
    if (attempt) {
      const served = this.#attempt(attempt, request, action === 'finish');
      return this.#ofAttempt(served, `${request.method} ${action}`, { request, response, url, digest });
    }
    const body = JSON.parse((await readAll(request)).toString());
    if (url.pathname.endsWith('/hello')) return this.#hello(response, body);
    if (url.pathname.endsWith('/renew')) return this.#renew(request, response, body);
    if (url.pathname.endsWith('/claim')) return this.#claim(request, response, body);
    throw new No(404, 'not-found');
  }

  #hello(response: ServerResponse, body: unknown): void {
    const said = hello.parse(body);
    if (said.protocol !== PROTOCOL_VERSION) throw new No(426, 'protocol-mismatch');
    if (this.#instance !== null && this.#instance !== said.instance)
      throw new No(409, 'runner-already-connected');
    this.#instance = said.instance;
    json(response, 200, { runner: 'one', labels: said.labels ?? ['linux'], times: this.times });
  }

  async #renew(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> {
    const said = renew.parse(body);
    if (said.instance !== this.#instance) throw new No(409, 'runner-already-connected');
    const holding = () =>
      said.holding.map(({ attempt }) => this.attempts.find((it) => it.assignment.attempt === attempt));
    for (const served of this.attempts) {
      const isHeld = said.holding.some(({ attempt }) => attempt === served.assignment.attempt);
      if (served.claimId && !served.result && !isHeld && !said.claiming.includes(served.claimId))
        served.revoked = true;
    }
    const answer = () => ({
      cancel: this.attempts
        .filter((it) => it.claimId && !it.result && it.cancelWanted)
        .map((it) => it.assignment.attempt),
      revoked: holding().flatMap((it) => (it && (it.revoked || it.result) ? [it.assignment.attempt] : [])),
    });
    const isNews = () => answer().cancel.length + answer().revoked.length > 0;
    if (!said.immediate) await this.#stand(request, this.times.renewMs, isNews);
    json(response, 200, answer());
  }

  async #claim(
    request: IncomingMessage,
    response: ServerResponse,
    body: { instance: string; claimId: string },
  ) {
    if (body.instance !== this.#instance) throw new No(409, 'runner-already-connected');
    const free = () =>
      this.attempts.find((it) => it.claimId === body.claimId && !it.result) ??
      this.attempts.find((it) => it.claimId === null && !it.revoked);
    await this.#stand(request, this.times.claimWaitMs, () => free() !== undefined);
    const served = request.socket.destroyed ? undefined : free();
    if (!served) return void response.writeHead(204).end();
    served.claimId = body.claimId;
    json(response, 200, served.assignment);
  }

  /** Waits for the condition, the time, or the end of the connection. */
  async #stand(request: IncomingMessage, ms: number, condition: () => boolean): Promise<void> {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), ms);
    const gone = () => over.abort();
    request.socket.once('close', gone);
    while (!condition() && !over.signal.aborted)
      await once(this.#events, 'change', { signal: over.signal }).catch(() => undefined);
    request.socket.off('close', gone);
    clearTimeout(timer);
  }

  #attempt(wanted: string, request: IncomingMessage, evenOver: boolean): ServedAttempt {
    const served = this.attempts.find((it) => it.assignment.attempt === wanted);
    if (!served) throw new No(404, 'not-found');
    if (request.headers['reprise-fence'] !== served.assignment.fence || served.revoked)
      throw new No(409, 'stale-fence');
    if (served.result && !evenOver) throw new No(409, 'stale-fence');
    return served;
  }

  async #ofAttempt(
    served: ServedAttempt,
    action: string,
    o: { request: IncomingMessage; response: ServerResponse; url: URL; digest: string | undefined },
  ): Promise<void> {
    const body = await readAll(o.request);
    switch (action) {
      case 'POST log': {
        const offset = Number(o.url.searchParams.get('offset'));
        if (offset > served.log.length) throw new No(416, 'log-gap', { size: served.log.length });
        const skipped = served.log.length - offset;
        if (skipped < body.length) served.log = appended(served.log, body.subarray(skipped));
        return json(o.response, 200, { size: served.log.length });
      }
      case 'PUT progress':
        served.steps = progress.parse(JSON.parse(body.toString())).steps;
        return void o.response.writeHead(204).end();
      case 'PUT blobs':
        if (sha256(body) !== o.digest) throw new No(422, 'digest-mismatch');
        served.blobs.set(sha256(body), body);
        return json(o.response, 201, {});
      case 'GET inputs':
        return void o.response.end(this.#inputs.get(o.digest ?? ''));
      case 'POST finish': {
        const said = finish.parse(JSON.parse(body.toString()));
        if (served.result && JSON.stringify(served.result) !== JSON.stringify(said))
          throw new No(409, 'conflict');
        if (said.logSize !== served.log.length || said.logSha256 !== sha256(served.log)) {
          if (said.logSize <= served.log.length) served.log = Buffer.alloc(0);
          throw new No(416, 'log-gap', { size: served.log.length });
        }
        served.result = said;
        return json(o.response, 200, {});
      }
      default:
        throw new No(404, 'not-found');
    }
  }

  async #git(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const password = Buffer.from(
      request.headers.authorization?.slice('Basic '.length) ?? '',
      'base64',
    ).toString();
    if (!this.attempts.some((it) => password === `reprise:${it.assignment.gitToken}`))
      throw new No(401, 'unauthenticated');
    const advertises = url.pathname.endsWith('/info/refs');
    const type = advertises ? 'advertisement' : 'result';
    response.setHeader('content-type', `application/x-git-upload-pack-${type}`);
    const words = ['upload-pack', '--stateless-rpc', ...(advertises ? ['--http-backend-info-refs'] : [])];
    const env = { PATH: process.env['PATH'], GIT_PROTOCOL: String(request.headers['git-protocol'] ?? '') };
    const git = spawn('git', [...words, this.#repository.path], { env, stdio: ['pipe', 'pipe', 'ignore'] });
    request.pipe(git.stdin);
    git.stdout.pipe(response);
    await once(git, 'close');
  }
}

class No extends Error {
  readonly status: number;
  readonly code: string;
  readonly extra: object;

  constructor(status: number, code: string, extra: object = {}) {
    super(code);
    this.status = status;
    this.code = code;
    this.extra = extra;
  }
}

export function plannedJob(job: Partial<PlannedJob>, steps: (Partial<PlannedStep> | string)[]): PlannedJob {
  return {
    name: 'test',
    runsOn: ['linux'],
    needs: [],
    env: {},
    timeoutMs: 60_000,
    retry: 0,
    workingDirectory: null,
    network: 'none',
    artifacts: [],
    inputs: [],
    ...job,
    steps: steps.map((step, index) => ({
      name: `step ${index + 1}`,
      run: 'true',
      env: {},
      timeoutMs: null,
      workingDirectory: null,
      shell: null,
      network: 'none',
      ...(typeof step === 'string' ? { run: step } : step),
    })),
  };
}

/** Everything is done as always, but the connection is cut where the answer would go out. */
function loseAnswer(response: ServerResponse): void {
  const cut = () => {
    response.socket?.destroy();
    return response;
  };
  response.writeHead = cut as typeof response.writeHead;
  response.end = cut as typeof response.end;
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function problem(response: ServerResponse, status: number, code: string, extra: object = {}): void {
  const body = JSON.stringify({
    type: 'about:blank',
    title: code,
    status,
    code,
    detail: `It is ${code}.`,
    ...extra,
  });
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(body);
}

/** Grows by doubling: joining anew each time would cost the square of a long log. */
function appended(log: Buffer, more: Buffer): Buffer {
  const size = log.length + more.length;
  const room = log.byteOffset === 0 ? log.buffer.byteLength : 0;
  const whole =
    room >= size ? Buffer.from(log.buffer, 0, size) : Buffer.from(new ArrayBuffer(size * 2), 0, size);
  if (whole.buffer !== log.buffer) log.copy(whole);
  more.copy(whole, log.length);
  return whole;
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function id(): string {
  return randomBytes(12).toString('hex');
}
