import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Ask, type Client, persist, Unanswered } from './client.ts';
import type { Assignment, Finish, Progress } from './protocol.ts';
import { paths } from './wire.ts';

/** How long a log and a result are tried to be delivered. */
const DELIVERY_MS = 3_600_000;

/** A connection on which nothing moves for this long is dead. */
const IDLE_MS = 60_000;

/**
 * What a runner says about one attempt. Every call is repeated until it is answered or an hour has passed; `Refused` means
 * that the attempt is no longer this runner's.
 */
export class AttemptClient {
  readonly #client: Client;
  readonly #attempt: string;
  readonly #fence: string;
  readonly #signal: AbortSignal;
  readonly #timeScale: number;

  /** `signal` ends whatever is under way: the attempt is abandoned. */
  constructor(
    client: Client,
    assignment: Pick<Assignment, 'attempt' | 'fence'>,
    o: { signal: AbortSignal; timeScale: number },
  ) {
    this.#client = client;
    this.#attempt = assignment.attempt;
    this.#fence = assignment.fence;
    this.#signal = o.signal;
    this.#timeScale = o.timeScale;
  }

  /** Returns how many bytes of the log the server has: less than the offset after a gap. */
  async appendLog(offset: number, bytes: Buffer): Promise<number> {
    const path = `${paths.log(this.#attempt)}?offset=${offset}`;
    const { json } = await this.#ask({ method: 'POST', path, body: bytes, also: [416] }, isSize);
    return (json as { size: number }).size;
  }

  /** One try: what is not delivered now is part of the next one. */
  async progress(progress: Progress): Promise<void> {
    await this.#once({ method: 'PUT', path: paths.progress(this.#attempt), json: progress });
  }

  /** Resolves when the server has it durable. */
  async recordOnHost(record: { number: number; entry: object }): Promise<void> {
    await this.#ask({ method: 'POST', path: paths.record(this.#attempt), json: record });
  }

  /** `signal` ends it early, with its reason. */
  async putBlob(
    sha256: string,
    { file, size, signal }: { file: string; size: number; signal: AbortSignal },
  ): Promise<void> {
    const path = paths.blob(this.#attempt, sha256);
    await this.#ask({ method: 'PUT', path, body: { file, size }, signal: this.#with(signal) });
  }

  /** Null when the result was taken, else the size up to which the server's log is right. */
  async finish(finish: Finish): Promise<number | null> {
    const ask = { method: 'POST', path: paths.finish(this.#attempt), json: finish, also: [416] } as const;
    const { status, json } = await this.#ask(ask, (body, code) => code !== 416 || isSize(body));
    return status === 416 ? (json as { size: number }).size : null;
  }

  /** Writes an input's tarball to `file`; its bytes are of the digest. `signal` ends it early, with its reason. */
  async getInput(sha256: string, o: { file: string; signal: AbortSignal }): Promise<void> {
    const path = paths.input(this.#attempt, sha256);
    const signal = this.#with(o.signal);
    await this.#persist(signal, () =>
      this.#client.download(this.#complete({ method: 'GET', path, signal }), async (body) => {
        const hash = createHash('sha256');
        body.on('data', (chunk: Buffer) => hash.update(chunk));
        await pipeline(body, createWriteStream(o.file));
        if (hash.digest('hex') !== sha256) throw new Unanswered('the bytes are not of the digest asked for');
      }),
    );
  }

  #ask(
    ask: Partial<Ask> & Pick<Ask, 'method' | 'path'>,
    isRight?: (json: unknown, status: number) => boolean,
  ) {
    return this.#persist(ask.signal ?? this.#signal, async () => {
      const answer = await this.#once(ask);
      if (isRight && !isRight(answer.json, answer.status))
        throw new Unanswered(`${ask.path} was answered with something that is not of the protocol`);
      return answer;
    });
  }

  #once(ask: Partial<Ask> & Pick<Ask, 'method' | 'path'>) {
    return this.#client.ask(this.#complete(ask));
  }

  #complete(ask: Partial<Ask> & Pick<Ask, 'method' | 'path'>): Ask {
    const idleMs = Math.max(2000, IDLE_MS / this.#timeScale);
    return { signal: this.#signal, ...ask, fence: this.#fence, idleMs };
  }

  #persist<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    const forMs = DELIVERY_MS / this.#timeScale;
    return persist({ timeScale: this.#timeScale, forMs, signal }, attempt);
  }

  #with(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([this.#signal, signal]);
  }
}

function isSize(json: unknown): boolean {
  return Number.isSafeInteger((json as { size?: unknown } | undefined)?.size);
}
