import { io, type Socket } from 'socket.io-client';

/** What a watched log brought, in order. */
export interface WatchedLog {
  bytes(): Buffer;
  /** Resolves with everything when the log's end was said. */
  ended: Promise<Buffer>;
}

export interface WatchAnswer {
  ok: boolean;
  revision?: number;
  why?: string;
}

/** A page's socket: connects again by itself and watches on from where it was, as a page does. */
export class Watcher implements Disposable {
  readonly socket: Socket;

  /** With a token; or, where that is empty, with a browser's `origin` and `cookie`. */
  constructor(address: string, token: string, o: { origin?: string; cookie?: string } = {}) {
    this.socket = io(address, {
      ...(token !== '' && { auth: { token } }),
      transports: ['websocket'],
      reconnectionDelay: 1,
      reconnectionDelayMax: 5,
      forceNew: true,
      extraHeaders: { ...(o.origin && { origin: o.origin }), ...(o.cookie && { cookie: o.cookie }) },
    });
  }

  connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.socket.connected) resolve();
      this.socket.once('connect', resolve);
      this.socket.once('connect_error', reject);
    });
  }

  watch(topic: string, more: object = {}): Promise<WatchAnswer> {
    return this.socket.emitWithAck('watch', { topic, ...more });
  }

  /** Every `changed` for a topic from now on, newest last. */
  changes(topic: string): number[] {
    const revisions: number[] = [];
    this.socket.on('changed', (message: { topic: string; revision: number }) => {
      if (message.topic === topic) revisions.push(message.revision);
    });
    return revisions;
  }

  /**
   * Watches a log through every connection. Throws inside when a chunk does not begin exactly where the last one ended.
   * `onChunk` is awaited before a chunk is acknowledged.
   */
  log(topic: string, o: { onChunk?: () => Promise<void> | void } = {}): WatchedLog {
    const parts: Buffer[] = [];
    let offset = 0;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const watch = () => this.watch(topic, { offset }).catch(() => {});
    this.socket.on('connect', watch);
    if (this.socket.connected) void watch();
    this.socket.on('log', async (message, acknowledge: () => void) => {
      if (message.topic !== topic) return;
      const bytes = Buffer.from(message.bytes);
      if (message.offset !== offset) reject(new Error(`Expected offset ${offset}, got ${message.offset}.`));
      parts.push(bytes);
      offset += bytes.length;
      if (message.end) resolve(Buffer.concat(parts));
      await o.onChunk?.();
      acknowledge();
    });
    return { bytes: () => Buffer.concat(parts), ended: promise };
  }

  /** Breaks the connection as a network does; it connects again by itself. */
  cut(): void {
    this.socket.io.engine.close();
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}
