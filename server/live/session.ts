import type { Socket } from 'socket.io';
import { z } from 'zod';
import type { Services } from '../services.ts';
import { findTopic } from './find-topic.ts';
import { LogFeed } from './log-feed.ts';
import { parseTopic, type Topic } from './topics.ts';

/** Bounds of one socket: what a page needs several times over, and what a flood does not get past. */
const MOST_TOPICS = 64;
const MOST_EVENTS_PER_SECOND = 100;
/** Between two announcements to one socket: a busy build is redrawn fifty times a second at most. */
const COALESCE_MS = 20;
/** A watcher that takes longer for one chunk is disconnected; it comes back with its own offset. */
const ACKNOWLEDGE_MS = 30_000;

const ask = z.object({
  topic: z.string().max(256),
  offset: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).default(0),
});

export type WatchAnswer = { ok: true; revision: number } | { ok: false; why: string };

/** One socket and what it watches. */
export class Session {
  readonly #socket: Socket;
  readonly #services: Services;
  readonly #o: { mayWatch(topic: Topic): Promise<boolean>; revision(): number };
  /** Watched topics; those of logs with their feed. */
  readonly #topics = new Map<string, { attempt: string; feed: LogFeed } | null>();
  readonly #dirty = new Map<string, number>();
  #last: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #flushedAt = 0;
  #events = 0;
  #eventsSince = 0;

  constructor(
    socket: Socket,
    services: Services,
    o: { mayWatch(topic: Topic): Promise<boolean>; revision(): number },
  ) {
    this.#socket = socket;
    this.#services = services;
    this.#o = o;
    socket.on('error', () => this.drop());
    socket.use((_event, next) => (this.#isFlooding() ? this.drop() : next()));
    socket.on('watch', (given: unknown, answer: unknown) => {
      this.#inOrder(() => this.#watch(given), answer);
    });
    socket.on('unwatch', (given: unknown, answer: unknown) => {
      this.#inOrder(() => this.#unwatch(given), answer);
    });
  }

  changed(topic: string, revision: number): void {
    const watched = this.#topics.get(topic);
    if (watched === undefined) return;
    if (watched) watched.feed.attemptChanged();
    else {
      this.#dirty.set(topic, revision);
      this.#flushSoon();
    }
  }

  /** Whatever it watches may have changed. */
  allChanged(revision: number): void {
    for (const topic of this.#topics.keys()) this.changed(topic, revision);
  }

  grew(attempt: string): void {
    for (const watched of this.#topics.values()) {
      if (watched?.attempt === attempt) watched.feed.pump();
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const topic of [...this.#topics.keys()]) this.#forget(topic);
  }

  /** One event after the other: an `unwatch` must not overtake the `watch` it takes back. */
  #inOrder(what: () => Promise<WatchAnswer>, answer: unknown): void {
    this.#last = this.#last
      .then(what)
      .catch((error): WatchAnswer => {
        this.#services.log.error({ err: error }, 'a topic could not be watched');
        return { ok: false, why: "Something in Reprise broke. The server's log says what." };
      })
      .then((result) => {
        if (typeof answer === 'function') answer(result);
      });
  }

  async #watch(given: unknown): Promise<WatchAnswer> {
    const { data } = ask.safeParse(given);
    const topic = data && parseTopic(data.topic);
    if (!topic) return { ok: false, why: 'There is no such topic.' };
    if (this.#topics.size >= MOST_TOPICS && !this.#topics.has(data.topic))
      return { ok: false, why: `One connection watches at most ${MOST_TOPICS} topics: unwatch some.` };
    if (!(await this.#o.mayWatch(topic))) return { ok: false, why: 'You may not watch this.' };
    this.#forget(data.topic);
    // From here on announcements are kept, so that none falls between the look and the answer.
    const revision = this.#o.revision();
    if (topic.kind !== 'log') this.#topics.set(data.topic, null);
    const found = await findTopic(this.#services.reader, topic);
    if (!found) {
      this.#forget(data.topic);
      return { ok: false, why: `${data.topic} does not exist.` };
    }
    if (found.attempt !== null && this.#socket.connected) this.#feed(data.topic, found.attempt, data.offset);
    return { ok: true, revision };
  }

  async #unwatch(given: unknown): Promise<WatchAnswer> {
    const { data } = ask.safeParse(given);
    if (!data) return { ok: false, why: 'There is no such topic.' };
    this.#forget(data.topic);
    return { ok: true, revision: this.#o.revision() };
  }

  #feed(topic: string, attempt: string, offset: number): void {
    const { logs, reader } = this.#services;
    const source = {
      size: () => logs.size(attempt),
      readInto: (buffer: Buffer, start: number) => logs.readInto(attempt, buffer, start),
      isOver: async () => {
        const row = await reader
          .selectFrom('attempts')
          .select('status')
          .where('id', '=', attempt)
          .executeTakeFirst();
        return row?.status !== 'running';
      },
      send: async (chunk: object) => {
        await this.#socket.timeout(ACKNOWLEDGE_MS).emitWithAck('log', { topic, ...chunk });
      },
    };
    const feed = new LogFeed(source, { offset, failed: () => this.drop() });
    this.#topics.set(topic, { attempt, feed });
    feed.pump();
  }

  #forget(topic: string): void {
    this.#topics.get(topic)?.feed.close();
    this.#topics.delete(topic);
    this.#dirty.delete(topic);
  }

  #flushSoon(): void {
    if (this.#timer) return;
    const waitMs = Math.max(0, this.#flushedAt + COALESCE_MS - performance.now());
    this.#timer = setTimeout(() => this.#flush(), waitMs);
  }

  /** A socket that does not drain gets nothing more queued: its topics stay marked until it does. */
  #flush(): void {
    const { transport } = this.#socket.conn;
    if (!transport.writable) {
      transport.once('ready', () => this.#flush());
      return;
    }
    this.#timer = undefined;
    this.#flushedAt = performance.now();
    for (const [topic, revision] of this.#dirty) this.#socket.emit('changed', { topic, revision });
    this.#dirty.clear();
  }

  #isFlooding(): boolean {
    const now = performance.now();
    if (now - this.#eventsSince > 1000) {
      this.#events = 0;
      this.#eventsSince = now;
    }
    this.#events += 1;
    return this.#events > MOST_EVENTS_PER_SECOND;
  }

  /** Closes the connection, not the session: a client that is alive connects again by itself, and is asked again who it is. */
  drop(): void {
    this.#socket.conn.close(true);
  }
}
