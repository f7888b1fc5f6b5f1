import type { Logger } from 'pino';
import { Backoff } from './backoff.ts';
import { type Client, Refused, Unanswered } from './client.ts';
import type { Hello, HelloAnswer, Register, RegisterAnswer } from './protocol.ts';
import { PROTOCOL_TIMES, paths } from './wire.ts';

/** How long a server may take to answer what it can answer at once. */
const ANSWER_MS = 30_000;

/**
 * The runner's standing with its server: says hello, and brings every other call back on its feet after a failure. What it
 * throws as `Refused` is final: the token is unknown, another runner has it, or the versions differ.
 */
export class Link {
  readonly #client: Client;
  readonly #hello: Hello;
  readonly #log: Logger;
  #timeScale = 1;
  readonly #closing = new AbortController();
  #isSilent = false;
  #greeting: Promise<HelloAnswer> | null = null;

  constructor(client: Client, hello: Hello, log: Logger) {
    this.#client = client;
    this.#hello = hello;
    this.#log = log;
  }

  /** What a test divides the protocol's times by, as the server says; otherwise 1. */
  get timeScale(): number {
    return this.#timeScale;
  }

  /** Waits between tries, for one of the runner's standing calls. */
  backoff(): Backoff {
    return new Backoff(10, 10_000 / this.#timeScale);
  }

  /** Says hello until it is answered. Several callers share one; each stops waiting for it by its own signal. */
  async hello(signal: AbortSignal): Promise<HelloAnswer> {
    signal.throwIfAborted();
    this.#greeting ??= this.#greet(this.#closing.signal).finally(() => {
      this.#greeting = null;
    });
    const over = new AbortController();
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: over.signal });
    });
    try {
      return await Promise.race([this.#greeting, aborted]);
    } finally {
      over.abort();
    }
  }

  /** Registers, until that is answered: the runner's name. Throws `Refused`. */
  async register(json: Register, signal: AbortSignal): Promise<string> {
    return this.#insist(signal, async (idleMs) => {
      const ask = { method: 'POST', path: paths.register, anonymous: true, json, idleMs, signal } as const;
      const answer = (await this.#client.ask(ask)).json as Partial<RegisterAnswer> | undefined;
      if (typeof answer?.runner !== 'string')
        throw new Unanswered('registering was answered with something else');
      return answer.runner;
    });
  }

  /** Nothing is said any more. */
  close(): void {
    this.#closing.abort(new Error('the runner has ended'));
  }

  /** A call was answered. */
  heard(): void {
    if (this.#isSilent) this.#log.info('the server answers again');
    this.#isSilent = false;
  }

  /**
   * A call failed: resolves when it is time to try it again, and when the signal is aborted. A server that refuses the call
   * has forgotten this runner.
   */
  async recover(error: unknown, backoff: Backoff, signal: AbortSignal): Promise<void> {
    try {
      if (error instanceof Refused) {
        this.#log.warn(`the server refused a call (${error.status} ${error.code}): saying hello again`);
        await this.hello(signal);
      } else if (error instanceof Unanswered) this.#unanswered(error);
      else throw error;
      await backoff.wait(signal);
    } catch (fault) {
      if (!signal.aborted) throw fault;
    }
  }

  #greet(signal: AbortSignal): Promise<HelloAnswer> {
    return this.#insist(signal, async (idleMs) => {
      const json = this.#hello;
      const answer = await this.#client.ask({ method: 'POST', path: paths.hello, json, idleMs, signal });
      if (!isHelloAnswer(answer.json)) throw new Unanswered('hello was answered with something else');
      this.#timeScale = PROTOCOL_TIMES.renewMs / answer.json.times.renewMs;
      return answer.json;
    });
  }

  /** Asks until there is an answer. */
  async #insist<Answer>(signal: AbortSignal, ask: (idleMs: number) => Promise<Answer>): Promise<Answer> {
    const backoff = this.backoff();
    const idleMs = Math.max(2000, ANSWER_MS / this.#timeScale);
    for (;;) {
      try {
        const answer = await ask(idleMs);
        this.heard();
        return answer;
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
        this.#unanswered(error);
      }
      await backoff.wait(signal);
    }
  }

  #unanswered(error: Unanswered): void {
    if (!this.#isSilent) this.#log.warn(`the server does not answer, trying on: ${error.message}`);
    this.#isSilent = true;
  }
}

function isHelloAnswer(json: unknown): json is HelloAnswer {
  const answer = json as Partial<HelloAnswer> | undefined;
  return typeof answer?.runner === 'string' && typeof answer.times?.renewMs === 'number';
}
