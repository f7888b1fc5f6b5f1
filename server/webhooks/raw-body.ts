import type { IncomingMessage } from 'node:http';
import { Refusal } from '../http/refusal.ts';

const MIB = 1024 ** 2;

export interface BodyLimits {
  /** Bytes of one body. */
  limit: number;
  timeoutMs: number;
  /** A body is read up to this size in any case; what is larger counts as held. */
  small: number;
  /** Bytes held of all larger bodies together: strangers who send many of them cannot fill the memory. */
  mostHeld: number;
}

/**
 * Reads requests' bytes as sent, within `limits`. Compressed bodies are refused, never inflated. What is over the limit is
 * read and dropped, so that the sender, who is still writing, sees the answer; but no more than the limit once again, and
 * not beyond the time: then the connection is cut.
 */
export function rawBodyReader(limits: BodyLimits): (request: IncomingMessage) => Promise<Buffer> {
  const held = { bytes: 0 };
  return async (request) => {
    const body = new Body(request, limits, held);
    const timer = setTimeout(() => {
      const seconds = limits.timeoutMs / 1000;
      body.refuse(new Refusal(408, 'bad-request', `The body did not arrive within ${seconds} seconds.`));
      endSoon(request);
    }, limits.timeoutMs);
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
  readonly #limits: BodyLimits;
  readonly #held: { bytes: number };
  readonly #done = Promise.withResolvers<Buffer>();
  #chunks: Buffer[] = [];
  #size = 0;
  #counted = 0;
  #refusal: Refusal | null = null;

  constructor(request: IncomingMessage, limits: BodyLimits, held: { bytes: number }) {
    this.#request = request;
    this.#limits = limits;
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
    this.#held.bytes -= this.#counted;
    this.#counted = 0;
  }

  #take(chunk: Buffer): void {
    this.#size += chunk.length;
    this.#refusal ??= this.#whyNot(chunk.length);
    if (!this.#refusal) {
      this.#chunks.push(chunk);
      return;
    }
    this.release();
    if (this.#size <= 2 * this.#limits.limit) return;
    this.#done.reject(this.#refusal);
    endSoon(this.#request);
  }

  #whyNot(bytes: number): Refusal | null {
    const { limit, small, mostHeld } = this.#limits;
    if (this.#size > limit) {
      return new Refusal(413, 'too-large', `The body is larger than ${limit / MIB} MiB.`);
    }
    if (this.#size <= small) return null;
    if (this.#held.bytes + bytes > mostHeld) {
      return new Refusal(
        503,
        'unavailable',
        'Too many large bodies arrive at once. Send this one again later.',
      );
    }
    this.#held.bytes += bytes;
    this.#counted += bytes;
    return null;
  }
}

/** Gives the answer a moment to leave, then cuts the connection under a sender who does not stop. */
function endSoon(request: IncomingMessage): void {
  setTimeout(() => request.socket.destroy(), 1000).unref();
}
