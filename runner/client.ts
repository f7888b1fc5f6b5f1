import { createReadStream } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage, request as overHttp } from 'node:http';
import { request as overHttps, Agent as TlsAgent } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { Backoff } from './backoff.ts';
import { FENCE_HEADER } from './wire.ts';

/** No answer of the protocol came back: a cut connection, a proxy's page, 5xx. Ask again. */
export class Unanswered extends Error {}

/** The server said no, and would again. `code` is the problem's, `sentence` its own words. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, sentence: string) {
    super(sentence);
    this.status = status;
    this.code = code;
  }
}

export interface Ask {
  method: 'GET' | 'POST' | 'PUT';
  path: string;
  /** The attempt's fencing token. */
  fence?: string;
  /** Sent without saying who asks. */
  anonymous?: boolean;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as bytes: what is in memory, or a whole file of that size. */
  body?: Buffer | { file: string; size: number };
  /** Over those that are sent anyway. */
  headers?: Record<string, string>;
  /** Without a byte in either direction for this long, the connection is taken for dead. */
  idleMs: number;
  signal: AbortSignal;
  /** Statuses besides 2xx that are answers to the caller and no refusals. */
  also?: readonly number[];
}

export interface Answer {
  status: number;
  /** Undefined when there was no body. */
  json: unknown;
}

/** Longest JSON answer: an assignment with some ten thousand tags is about 1 MB. */
const ANSWER_LIMIT = 32 * 1024 * 1024;

/** A 5xx that asking again does not change: the bytes that are asked for were damaged where the server keeps them. */
const GONE_FOR_GOOD = 'artifact-damaged';

/** Statuses that are about the moment and not about the request. */
const PASSING = [408, 421, 425, 429];

const DISK_FAULTS = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'];

/** Speaks HTTP to one server, over connections that are kept, as one runner. */
export class Client {
  readonly #server: URL;
  readonly #base: string;
  readonly #token: () => string;
  readonly #agent: Agent;

  constructor(server: string, token: () => string) {
    this.#server = new URL(server);
    this.#base = this.#server.pathname.replace(/\/$/, '');
    this.#token = token;
    const Kept = this.#server.protocol === 'https:' ? TlsAgent : Agent;
    this.#agent = new Kept({ keepAlive: true, scheduling: 'lifo' });
  }

  /** One try. Throws `Unanswered`, `Refused`, or the signal's reason. */
  async ask(ask: Ask): Promise<Answer> {
    const response = await this.#send(ask);
    return decode(ask, response, await readAll(response));
  }

  /** One try at a body that is no JSON: hands it to `take` when the status is 200. */
  async download(ask: Ask, take: (body: IncomingMessage) => Promise<void>): Promise<void> {
    const response = await this.#send(ask);
    if (response.statusCode !== 200) {
      decode(ask, response, await readAll(response));
      throw new Unanswered(`${ask.path} was answered ${response.statusCode}`);
    }
    await take(response).catch((error: unknown) => {
      ask.signal.throwIfAborted();
      // The disk's fault and not the server's: asking again does not help.
      if (DISK_FAULTS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      throw new Unanswered(`the answer to ${ask.path} broke off`, { cause: error });
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(ask: Ask): Promise<IncomingMessage> {
    ask.signal.throwIfAborted();
    try {
      return await this.#sendOnce(ask);
    } catch (error) {
      ask.signal.throwIfAborted();
      if (!(error instanceof StaleConnection)) throw error;
      return this.#sendOnce(ask);
    }
  }

  async #sendOnce(ask: Ask): Promise<IncomingMessage> {
    const body = ask.json === undefined ? ask.body : Buffer.from(JSON.stringify(ask.json));
    const request = this.#open(ask, body);
    const answered = Promise.withResolvers<IncomingMessage>();
    request.on('response', answered.resolve);
    request.on('timeout', () => request.destroy(new Error('the connection was silent for too long')));
    request.on('error', (error) => {
      const Kind = request.reusedSocket && isReset(error) ? StaleConnection : Unanswered;
      answered.reject(new Kind(`${ask.method} ${ask.path}: ${error.message}`, { cause: error }));
    });
    if (Buffer.isBuffer(body)) request.end(body);
    else if (body) pipeline(createReadStream(body.file), request).catch(() => request.destroy());
    else request.end();
    return answered.promise;
  }

  #open(ask: Ask, body: Ask['body']): ClientRequest {
    const size = Buffer.isBuffer(body) ? body.length : (body?.size ?? 0);
    const headers: Record<string, string | number> = {
      accept: 'application/json',
    };
    if (!ask.anonymous) headers['authorization'] = `Bearer ${this.#token()}`;
    if (ask.fence) headers[FENCE_HEADER] = ask.fence;
    if (body) {
      headers['content-type'] = ask.json === undefined ? 'application/octet-stream' : 'application/json';
      headers['content-length'] = size;
    } else if (ask.method !== 'GET') headers['content-length'] = 0;
    const send = this.#server.protocol === 'https:' ? overHttps : overHttp;
    return send({
      agent: this.#agent,
      host: this.#server.hostname.replace(/^\[|\]$/g, ''),
      port: this.#server.port,
      method: ask.method,
      path: this.#base + ask.path,
      headers: { ...headers, ...ask.headers },
      timeout: ask.idleMs,
      signal: ask.signal,
    });
  }
}

/** The server closed a kept connection just as it was used again: not even a failure. */
class StaleConnection extends Unanswered {}

function isReset(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ECONNRESET' || error.code === 'EPIPE';
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > ANSWER_LIMIT) throw new Error('the answer is too long');
      chunks.push(chunk);
    }
  } catch (error) {
    throw new Unanswered('the answer broke off', { cause: error });
  }
  return Buffer.concat(chunks);
}

function decode(ask: Ask, response: IncomingMessage, body: Buffer): Answer {
  const status = response.statusCode ?? 0;
  const what = `${ask.method} ${ask.path} was answered ${status}`;
  const json = parse(response.headers['content-type'], body);
  if (json === UNDECODABLE) throw new Unanswered(`${what} with something that is not of the protocol`);
  if ((status >= 200 && status < 300) || ask.also?.includes(status)) return { status, json };
  const problem = (json ?? {}) as { code?: unknown; detail?: unknown; title?: unknown };
  const sentence = String(problem.detail ?? problem.title ?? '');
  if (problem.code === GONE_FOR_GOOD) throw new Error(sentence);
  if (status < 400 || status >= 500 || PASSING.includes(status) || typeof problem.code !== 'string')
    throw new Unanswered(sentence === '' ? what : `${what}: ${sentence}`);
  throw new Refused(status, problem.code, sentence);
}

const UNDECODABLE = Symbol('undecodable');

function parse(type: string | undefined, body: Buffer): unknown {
  if (body.length === 0) return undefined;
  if (!/^application\/([a-z]+\+)?json\b/.test(type ?? '')) return UNDECODABLE;
  try {
    return JSON.parse(body.toString());
  } catch {
    return UNDECODABLE;
  }
}

/**
 * Tries until there is an answer: after 0.5 s, then twice as long each time up to 30 s, for `forMs` in all (an hour, for
 * what must not be lost). Everything in the protocol may be repeated.
 */
export async function persist<T>(
  o: { timeScale: number; forMs: number; signal: AbortSignal },
  attempt: () => Promise<T>,
): Promise<T> {
  const backoff = new Backoff(500 / o.timeScale, 30_000 / o.timeScale);
  const giveUpAt = performance.now() + o.forMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Unanswered) || performance.now() > giveUpAt) throw error;
    }
    await backoff.wait(o.signal);
  }
}
