import type { IncomingMessage } from 'node:http';
import { Refusal } from '../http/refusal.ts';

const MIB = 1024 ** 2;

/** Bodies up to this size are always taken; larger ones share `MOST_LARGE`. */
const SMALL = MIB;
/** Bytes of large bodies held at once: strangers who send many of them cannot fill the memory. */
const MOST_LARGE = 100 * MIB;

/**
 * Reads requests' bytes as sent, each at most `limit` of them within `timeoutMs`. Compressed bodies are refused, never
 * inflated. What is over the limit is read and dropped, so that the sender, who is still writing, sees the answer; but no
 * more than the limit once again, and not beyond the time: then the connection is cut.
 */
export function rawBodyReader({ limit, timeoutMs }: { limit: number; timeoutMs: number }) {
  const held = { large: 0 };
  return async (request: IncomingMessage): Promise<Buffer> => {
    const body = new Body(request, limit, held);
    const timer = setTimeout(() => {
      body.refuse(
        new Refusal(408, 'bad-request', `The body did not arrive within ${timeoutMs / 1000} seconds.`),
      );
      endSoon(request);
    }, timeoutMs);
    try {
      return await body.read();
    } finally {
      clearTimeout(timer);
      body.release();
    }
  };
}

class Body {
  readonly #request: IncomingMessage;
  readonly #limit: number;
  readonly #held: { large: number };
  readonly #done = Promise.withResolvers<Buffer>();
  #chunks: Buffer[] = [];
  #size = 0;
  #large = 0;
  #refusal: Refusal | null = null;

  constructor(request: IncomingMessage, limit: number, held: { large: number }) {
    this.#request = request;
    this.#limit = limit;
    this.#held = held;
  }

  read(): Promise<Buffer> {
    const request = this.#request;
    if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
      this.#refusal = new Refusal(
        415,
        'not-supported',
        'A compressed body is not accepted: send it as it is.',
      );
    }
    request.on('data', (chunk: Buffer) => this.#take(chunk));
    request.on('end', () => {
      if (this.#refusal) this.#done.reject(this.#refusal);
      else this.#done.resolve(Buffer.concat(this.#chunks));
    });
    request.on('error', (cause) => {
      this.refuse(new Refusal(400, 'bad-request', `The body broke off: ${cause.message}.`));
    });
    return this.#done.promise;
  }

  refuse(refusal: Refusal): void {
    this.#refusal = refusal;
    this.#done.reject(refusal);
  }

  release(): void {
    this.#chunks = [];
    this.#held.large -= this.#large;
    this.#large = 0;
  }

  #take(chunk: Buffer): void {
    this.#size += chunk.length;
    this.#refusal ??= this.#whyNot(chunk.length);
    if (!this.#refusal) {
      this.#chunks.push(chunk);
      return;
    }
    this.release();
    if (this.#size <= 2 * this.#limit) return;
    this.#done.reject(this.#refusal);
    endSoon(this.#request);
  }

  #whyNot(bytes: number): Refusal | null {
    if (this.#size > this.#limit) {
      const most = `${this.#limit / MIB} MiB, the most GitHub sends`;
      return new Refusal(413, 'too-large', `The body is larger than ${most}.`);
    }
    if (this.#size <= SMALL) return null;
    if (this.#held.large + bytes > MOST_LARGE) {
      return new Refusal(
        503,
        'unavailable',
        'Too many large bodies arrive at once. Send this one again later.',
      );
    }
    this.#held.large += bytes;
    this.#large += bytes;
    return null;
  }
}

/** Gives the answer a moment to leave, then cuts the connection under a sender who does not stop. */
function endSoon(request: IncomingMessage): void {
  setTimeout(() => request.socket.destroy(), 1000).unref();
}
