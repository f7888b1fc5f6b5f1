import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Something that GitHub was told and took. */
export interface Told {
  /** `/repos/{owner}/{repo}` is left away. */
  path: string;
  body: Record<string, unknown>;
}

interface MadeDeployment {
  id: number;
  sha: string;
  environment: string;
  payload: unknown;
}

/** Deliveries are listed so many at a time, however many are asked for. */
const PAGE = 4;
const STATUS_STATES = ['error', 'failure', 'pending', 'success'];
const DEPLOYMENT_STATES = ['error', 'failure', 'inactive', 'in_progress', 'queued', 'pending', 'success'];

/**
 * A real HTTP server that takes commit statuses and deployments, and delivers again, as a GitHub Enterprise server does (docs.github.com/rest): it knows one
 * repository, wants the token, and refuses what GitHub refuses.
 */
export class GithubApiServer implements AsyncDisposable {
  readonly token = 'github_pat_of_the_tests';
  readonly told: Told[] = [];
  readonly made: MadeDeployment[] = [];
  /** The repository's webhooks, and what was tried to be delivered to each. */
  readonly hooks: { id: number; active: boolean; config: { url: string } }[] = [];
  readonly attempts: {
    id: number;
    guid: string;
    event: string;
    status_code: number;
    delivered_at: string;
  }[] = [];
  /** Answers of the next requests, in place of GitHub's own; `lost`: it does what it is asked and then breaks the line. */
  readonly faults: ({ status: number; headers?: Record<string, string> } | 'lost')[] = [];
  readonly #repository: string;
  readonly #listeners = new Set<() => void>();
  readonly #http = createServer((request, response) => {
    this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });

  private constructor(repository: string) {
    this.#repository = repository;
  }

  /** `repository`: `owner/name`, the only one that its token may write to. */
  static async start(repository: string): Promise<GithubApiServer> {
    const github = new GithubApiServer(repository);
    await new Promise<void>((resolve) => github.#http.listen(0, '127.0.0.1', resolve));
    return github;
  }

  /** The settings of a Reprise that tells it. */
  get env(): Record<string, string> {
    const { port } = this.#http.address() as AddressInfo;
    return { REPRISE_GITHUB_URL: `http://127.0.0.1:${port}`, REPRISE_GITHUB_TOKEN: this.token };
  }

  /** Resolves once what it was told satisfies the condition. */
  async until(is: (told: readonly Told[]) => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => void (is(this.told) && resolve());
    this.#listeners.add(look);
    look();
    await promise;
    this.#listeners.delete(look);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const fault = this.faults.shift();
    if (fault && fault !== 'lost') return void response.writeHead(fault.status, fault.headers).end('{}');
    const [status, answer, headers] = this.#act(request, text === '' ? {} : JSON.parse(text));
    if (fault === 'lost') return void response.destroy();
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify(answer));
    for (const listener of this.#listeners) listener();
  }

  #act(
    { method, url = '', headers }: IncomingMessage,
    body: Record<string, unknown>,
  ): [status: number, answer: unknown, headers?: Record<string, string>] {
    if (headers.authorization !== `Bearer ${this.token}`) return [401, { message: 'Bad credentials' }];
    const { pathname, searchParams } = new URL(url, 'http://github');
    const base = `/api/v3/repos/${this.#repository}`;
    if (!pathname.startsWith(`${base}/`)) return [404, { message: 'Not Found' }];
    const path = pathname.slice(base.length);
    if (method === 'GET' && path === '/deployments') {
      const isMeant = (one: MadeDeployment) =>
        one.sha === searchParams.get('sha') && one.environment === searchParams.get('environment');
      return [200, this.made.filter(isMeant)];
    }
    if (method === 'GET' && path === '/hooks') return [200, this.hooks];
    if (method === 'GET' && /^\/hooks\/\d+\/deliveries$/.test(path)) {
      const from = Number(searchParams.get('cursor') ?? 0);
      const page = this.attempts.slice(from, from + PAGE);
      const next = `<http://github${pathname}?per_page=${PAGE}&cursor=${from + PAGE}>; rel="next"`;
      return [200, page, from + PAGE < this.attempts.length ? { link: next } : {}];
    }
    if (method !== 'POST') return [404, { message: 'Not Found' }];
    if (/^\/hooks\/\d+\/deliveries\/\d+\/attempts$/.test(path)) {
      this.told.push({ path, body });
      return [202, {}];
    }
    const problem = problemOf(path, body);
    if (problem !== null) return [422, { message: 'Validation Failed', errors: [problem] }];
    this.told.push({ path, body });
    if (path !== '/deployments') return [201, {}];
    const { ref, environment, payload } = body as { ref: string; environment: string; payload: unknown };
    const made = { id: 1000 + this.made.length, sha: ref, environment, payload };
    this.made.push(made);
    return [201, made];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}

/** What GitHub would not take of a body, in a word; null: it takes it. */
function problemOf(
  path: string,
  { state, ref, context, target_url, description, environment }: Record<string, unknown>,
) {
  if (String(description ?? '').length > 140) return 'description is too long (maximum is 140 characters)';
  if (/^\/statuses\/[0-9a-f]{40}$/.test(path)) {
    if (!STATUS_STATES.includes(String(state))) return 'state is not included in the list';
    return URL.canParse(String(target_url)) && context ? null : 'target_url';
  }
  if (path === '/deployments') return /^[0-9a-f]{40}$/.test(String(ref)) && environment ? null : 'ref';
  if (!/^\/deployments\/\d+\/statuses$/.test(path)) return 'path';
  return DEPLOYMENT_STATES.includes(String(state)) ? null : 'state is not included in the list';
}
