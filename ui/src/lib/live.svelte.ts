import type { Socket } from 'socket.io-client';

/** How the page hears of changes: shown when it is not `live`. */
export type LiveState = 'live' | 'connecting' | 'reconnecting';

/** What a watched log calls. A chunk is acknowledged once `chunk` has resolved: the next comes only then. */
export interface LogListener {
  chunk(offset: number, bytes: Uint8Array, end: boolean): void | Promise<void>;
  /** It was taken away, or may not be seen. */
  refused?(why: string): void;
}

/**
 * What a watched topic calls, with the newest announcement's revision: whatever shows that one already need not look again. null:
 * look in any case, the connection was away.
 */
export type Changed = (revision: number | null) => void;

interface LogWatch {
  offset(): number;
  on: LogListener;
}

/** Before what socket.io does not try again by itself is tried again. */
const AGAIN_MS = 2000;

/**
 * The one socket of the page. Announcements are hints: whoever hears one fetches over HTTP. After each reconnect every topic
 * is watched again and told to look, so that nothing that happened meanwhile is missed; a log goes on from its own offset.
 */
export class LiveClient {
  #state = $state<LiveState>('connecting');
  #isOpen = false;
  #socket: Socket | null = null;
  readonly #topics = new Map<string, Set<Changed>>();
  readonly #logs = new Map<string, LogWatch>();

  get state(): LiveState {
    return this.#state;
  }

  /**
   * Connects, again and again until `close`. What it takes for that comes only now: no page's first sight waits for it.
   * `onRefused` is called when the server does not know who this is, as of somebody who was disabled.
   */
  open(onRefused: () => void): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    void this.#bring(onRefused);
  }

  async #bring(onRefused: () => void): Promise<void> {
    try {
      const { io } = await import('socket.io-client');
      if (this.#isOpen && !this.#socket) this.#connect(io, onRefused);
    } catch {
      this.#state = 'reconnecting';
      setTimeout(() => this.#isOpen && void this.#bring(onRefused), AGAIN_MS);
    }
  }

  #connect(io: typeof import('socket.io-client').io, onRefused: () => void): void {
    const socket = io({ transports: ['websocket'], reconnectionDelay: 250, reconnectionDelayMax: 5000 });
    this.#socket = socket;
    socket.on('connect', () => {
      const again = this.#state === 'reconnecting';
      this.#state = 'live';
      for (const [topic, listeners] of this.#topics) this.#ask(topic, listeners, again);
      for (const [topic, log] of this.#logs) this.#askLog(topic, log);
    });
    socket.on('disconnect', (reason) => {
      this.#state = 'reconnecting';
      // The server ended it on purpose: ask again, it says whether we still may.
      if (reason === 'io server disconnect') socket.connect();
    });
    socket.on('connect_error', ({ message }) => {
      if (message === 'unauthenticated') onRefused();
      if (this.#state === 'live') this.#state = 'reconnecting';
      // Refused, not unreachable: socket.io does not try again by itself.
      if (!socket.active) setTimeout(() => this.#socket === socket && socket.connect(), AGAIN_MS);
    });
    socket.on('changed', ({ topic, revision }: { topic: string; revision: number }) => {
      for (const listener of this.#topics.get(topic) ?? []) listener(revision);
    });
    socket.on(
      'log',
      (message: LogMessage, acknowledge: () => void) => void this.#deliver(message, acknowledge),
    );
  }

  close(): void {
    this.#isOpen = false;
    this.#socket?.close();
    this.#socket = null;
    this.#state = 'connecting';
  }

  /** Calls `onChanged` when what the topic names may have changed. Returns how to stop. */
  watch(topic: string, onChanged: Changed): () => void {
    const listeners = this.#topics.get(topic) ?? new Set();
    listeners.add(onChanged);
    if (!this.#topics.has(topic)) {
      this.#topics.set(topic, listeners);
      if (this.#socket?.connected) this.#ask(topic, listeners, false);
    }
    return () => {
      listeners.delete(onChanged);
      if (listeners.size > 0 || this.#topics.get(topic) !== listeners) return;
      this.#topics.delete(topic);
      this.#socket?.emit('unwatch', { topic });
    };
  }

  /** Brings a log from `offset()` on, again from there after each reconnect. Returns how to stop. */
  watchLog(topic: string, offset: () => number, on: LogListener): () => void {
    const log = { offset, on };
    this.#logs.set(topic, log);
    if (this.#socket?.connected) this.#askLog(topic, log);
    return () => {
      if (this.#logs.get(topic) !== log) return;
      this.#logs.delete(topic);
      this.#socket?.emit('unwatch', { topic });
    };
  }

  /** Between fetching something and watching it, it may have changed: whoever watches hears of the newest announcement. */
  #ask(topic: string, listeners: Iterable<Changed>, again: boolean): void {
    this.#socket?.emit('watch', { topic }, ({ revision }: { revision?: number }) => {
      for (const listener of listeners) listener(again ? null : (revision ?? null));
    });
  }

  #askLog(topic: string, { offset, on }: LogWatch): void {
    this.#socket?.emit('watch', { topic, offset: offset() }, (answer: { ok: boolean; why?: string }) => {
      if (!answer.ok) on.refused?.(answer.why ?? '');
    });
  }

  async #deliver({ topic, offset, bytes, end }: LogMessage, acknowledge: () => void): Promise<void> {
    const log = this.#logs.get(topic);
    if (!log) return acknowledge();
    // Not what comes next: what was on its way when the connection was replaced. Ask again from where we are.
    if (offset !== log.offset()) {
      acknowledge();
      if (offset > log.offset()) this.#askLog(topic, log);
      return;
    }
    await log.on.chunk(offset, new Uint8Array(bytes), end);
    acknowledge();
  }
}

interface LogMessage {
  topic: string;
  offset: number;
  bytes: ArrayBuffer;
  end: boolean;
}

export const live = new LiveClient();
