import { Agent, type IncomingMessage, request } from 'node:http';

/** An answer, and when it came: milliseconds from the sending of the request's first byte. */
export interface Answer {
  status: number;
  body: Buffer;
  firstByteMs: number;
  ms: number;
  /** Size of the body, also where it was not kept. */
  bytes: number;
}

export interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: Buffer;
  /** Count the body's bytes without keeping them. */
  discard?: boolean;
}

/** An HTTP client that costs little itself: kept connections, no parsing, so that mostly the server is measured. */
export class Client implements Disposable {
  readonly #address: string;
  readonly #headers: Record<string, string>;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(address: string, o: { token?: string } = {}) {
    this.#address = address;
    this.#headers = o.token ? { authorization: `Bearer ${o.token}` } : {};
  }

  /** Rejects unless the answer is 2xx. */
  async ask(path: string, asked: Asked = {}): Promise<Answer> {
    const { method = 'GET', headers, body, discard = false } = asked;
    const sent = performance.now();
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const length = body ? { 'content-length': String(body.length) } : {};
      request(`${this.#address}${path}`, {
        method,
        agent: this.#agent,
        headers: { ...this.#headers, ...length, ...headers },
      })
        .once('response', resolve)
        .once('error', reject)
        .end(body);
    });
    let firstByteMs = performance.now() - sent;
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      if (bytes === 0) firstByteMs = performance.now() - sent;
      bytes += chunk.length;
      if (!discard) chunks.push(chunk);
    }
    const answer = {
      status: response.statusCode ?? 0,
      body: Buffer.concat(chunks),
      firstByteMs,
      bytes,
      ms: performance.now() - sent,
    };
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return answer;
  }

  async json<T>(path: string): Promise<T> {
    return JSON.parse((await this.ask(path)).body.toString()) as T;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
