import { createHash } from 'node:crypto';
import {
  type Assignment,
  FENCE_HEADER,
  type Finish,
  type HelloAnswer,
  type PackedArtifact,
  PROTOCOL_VERSION,
  paths,
  type RegisterAnswer,
  type RenewAnswer,
  type StepState,
} from '@reprise/runner/protocol.ts';
import { newId, newToken } from '@reprise/server/db/id.ts';

/** The server that a puppet speaks to, and adds itself at. */
export interface RunnerHost {
  readonly address: string;
  admin<Body>(method: string, path: string, body?: object): Promise<{ status: number; body: Body }>;
}

export interface Answer<Body> {
  status: number;
  body: Body;
}

/** A problem answer's body. */
export interface Problem {
  code: string;
  detail: string;
  size?: number;
}

const TOOLCHAIN = { fingerprint: sha256('tools'), tools: { kernel: 'test' } };

/** A runner whose every request the test sends by hand, over real HTTP. It executes nothing. */
export class PuppetRunner {
  readonly server: RunnerHost;
  readonly name: string;
  readonly token: string;
  instance = newId();

  private constructor(server: RunnerHost, name: string, token: string) {
    this.server = server;
    this.name = name;
    this.token = token;
  }

  /** Adds a runner and says hello, as a first process with that token. */
  static async connect(
    server: RunnerHost,
    o: { name?: string; labels?: string[] } = {},
  ): Promise<PuppetRunner> {
    const name = o.name ?? `runner-${newId().slice(0, 6)}`;
    const added = await server.admin<{ token: string }>('POST', '/api/runners', {
      name,
      labels: o.labels ?? ['linux'],
    });
    const runner = new PuppetRunner(server, name, added.body.token);
    await runner.hello();
    return runner;
  }

  /** A runner that nobody added, with a token that it made for itself. */
  static unadded(server: RunnerHost, name = `runner-${newId().slice(0, 6)}`): PuppetRunner {
    return new PuppetRunner(server, name, newToken('rpr'));
  }

  /** Registers itself; `given` goes over what it would say. */
  register(secret: string, given: object = {}): Promise<Answer<RegisterAnswer & Problem>> {
    const tokenSha256 = sha256(this.token);
    const said = { protocol: PROTOCOL_VERSION, secret, name: this.name, labels: null, tokenSha256 };
    return this.json('POST', paths.register, { ...said, ...given }, { anonymous: true });
  }

  /** Another process with the same token. */
  twin(o: { sameInstance: boolean }): PuppetRunner {
    const twin = new PuppetRunner(this.server, this.name, this.token);
    if (o.sameInstance) twin.instance = this.instance;
    return twin;
  }

  /** The same process, at the server that took the place of its own. */
  at(server: RunnerHost): PuppetRunner {
    const moved = new PuppetRunner(server, this.name, this.token);
    moved.instance = this.instance;
    return moved;
  }

  hello(given: object = {}): Promise<Answer<HelloAnswer & Problem>> {
    return this.json('POST', paths.hello, {
      protocol: PROTOCOL_VERSION,
      version: '0.0.0',
      instance: this.instance,
      labels: null,
      capacity: 2,
      sandbox: 'none',
      toolchain: TOOLCHAIN,
      ...given,
    });
  }

  renew(
    holding: readonly Assignment[],
    o: { claiming?: string[]; immediate?: boolean; signal?: AbortSignal } = {},
  ): Promise<Answer<RenewAnswer & Problem>> {
    const { claiming = [], immediate = true, signal } = o;
    const body = {
      instance: this.instance,
      holding: holding.map(({ attempt, fence }) => ({ attempt, fence })),
      claiming,
      immediate,
    };
    return this.json('POST', paths.renew, body, { signal });
  }

  claim(claimId = newId(), signal?: AbortSignal): Promise<Answer<Assignment & Problem>> {
    return this.json('POST', paths.claim, { instance: this.instance, claimId }, { signal });
  }

  /** Claims and expects to get something. */
  async take(claimId?: string): Promise<Assignment> {
    const { status, body } = await this.claim(claimId);
    if (status !== 200) throw new Error(`The claim was answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  log(
    work: Assignment,
    offset: number,
    bytes: string | Buffer<ArrayBuffer>,
  ): Promise<Answer<{ size: number } & Problem>> {
    const path = `${paths.log(work.attempt)}?offset=${offset}`;
    return this.send('POST', path, { work, body: bytes, type: 'application/octet-stream' });
  }

  progress(work: Assignment, steps: StepState[]): Promise<Answer<Problem>> {
    return this.json('PUT', paths.progress(work.attempt), { steps }, { work });
  }

  putBlob(work: Assignment, bytes: string, digest = sha256(bytes)): Promise<Answer<Problem>> {
    return this.send('PUT', paths.blob(work.attempt, digest), { work, body: bytes });
  }

  finish(work: Assignment, given: Partial<Finish> = {}): Promise<Answer<Problem>> {
    return this.json('POST', paths.finish(work.attempt), finishOf(given), { work });
  }

  json<Body>(
    method: string,
    path: string,
    body: object,
    o: { work?: Assignment; anonymous?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<Answer<Body>> {
    return this.send(method, path, { ...o, body: JSON.stringify(body), type: 'application/json' });
  }

  async send<Body>(
    method: string,
    path: string,
    o: {
      work?: Assignment;
      body?: string | Buffer<ArrayBuffer>;
      type?: string;
      anonymous?: boolean;
      signal?: AbortSignal | undefined;
    } = {},
  ): Promise<Answer<Body>> {
    const response = await fetch(`${this.server.address}${path}`, {
      method,
      headers: {
        ...(!o.anonymous && { authorization: `Bearer ${this.token}` }),
        ...(o.work && { [FENCE_HEADER]: o.work.fence }),
        ...(o.type && { 'content-type': o.type }),
      },
      ...(o.body !== undefined && { body: o.body }),
      ...(o.signal && { signal: o.signal }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }
}

/** A result: passed, without log, steps or artifacts unless told. */
export function finishOf(given: Partial<Finish> = {}): Finish {
  return {
    status: 'passed',
    why: '',
    steps: [],
    logSize: 0,
    logSha256: sha256(''),
    artifacts: [],
    deployment: null,
    toolchain: TOOLCHAIN,
    elapsedMs: 5,
    ...given,
  };
}

export function packed(name: string, content: string, manifest: string): PackedArtifact {
  return {
    name,
    fileName: `${name}-1.2.3.tar.gz`,
    sha256: sha256(content),
    treeSha256: sha256(`tree of ${content}`),
    size: content.length,
    manifestSha256: sha256(manifest),
  };
}

export function stepState(name: string, state: Partial<StepState> = {}): StepState {
  return {
    name,
    status: 'running',
    exitCode: null,
    startedMs: 0,
    finishedMs: null,
    logOffset: 0,
    ...state,
  };
}

export function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
