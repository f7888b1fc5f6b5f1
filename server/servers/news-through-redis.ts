import { createAdapter } from '@socket.io/redis-streams-adapter';
import type { Server } from 'socket.io';
import { newId } from '../db/id.ts';
import type { RedisConnections } from '../redis/connections.ts';
import { PREFIX } from '../redis/hints.ts';
import type { News, NewsBoard } from './news.ts';

/** What happens in that time is told together: a busy build costs Redis a hundred messages a second at most. */
const GATHER_MS = 10;
/** Each server says so often that it is there. What was lost is noticed with the next. */
const BEAT_MS = 2500;
/** A server that was not heard of for so many beats may have told what was not heard. */
const SILENT_BEATS = 2;
/** A server that was not heard of for so long is gone. */
const GONE_MS = 60_000;

/** Messages of a server are numbered, so that whoever missed one knows. */
interface Message {
  from: string;
  number: number;
  news: News;
}

/** For several servers: socket.io's adapter for Redis carries messages from server to server. */
export class NewsThroughRedis implements NewsBoard {
  readonly isShared = true;
  readonly #redis: RedisConnections;
  readonly #hearing: { news(news: News): void; unsure(): void }[] = [];
  readonly #others = new Map<string, { number: number; heardAt: number }>();
  readonly #id = newId();
  #io: Server | undefined;
  #number = 0;
  #news: Required<News> = nothing();
  #telling: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;
  /** What was told last reached Redis, as far as is known. */
  #isHeard = true;

  constructor(redis: RedisConnections) {
    this.#redis = redis;
  }

  attach(io: Server): void {
    const client = this.#redis.publisher((isSent) => {
      this.#isHeard = isSent;
    });
    io.adapter(
      createAdapter(client, { streamName: `${PREFIX}:live`, channelPrefix: `${PREFIX}:live`, maxLen: 1000 }),
    );
    io.on('news', (message: Message) => this.#hear(message));
    this.#io = io;
    this.#beat = setInterval(() => this.#lookAround(), BEAT_MS);
    client.once('ready', () => this.#send());
  }

  tell(news: News): void {
    for (const kind of KINDS) this.#news[kind].push(...((news[kind] ?? []) as never[]));
    this.#telling ??= setTimeout(() => this.#send(), GATHER_MS);
  }

  on(hear: { news(news: News): void; unsure(): void }): void {
    this.#hearing.push(hear);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#beat);
    // What was committed a moment ago is still told.
    if (this.#telling) this.#send();
    clearTimeout(this.#telling);
    this.#hearing.length = 0;
    this.#io?.of('/').adapter.close();
  }

  #send(): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    const { changed, grew, ended, noticed, dismissed } = this.#news;
    this.#news = nothing();
    const news: News = {
      changed: [...new Set(changed)],
      grew: [...new Map(grew)],
      ended,
      noticed: [...new Set(noticed)],
      dismissed,
    };
    this.#number += 1;
    this.#io?.serverSideEmit('news', { from: this.#id, number: this.#number, news } satisfies Message);
  }

  #hear({ from, number, news }: Message): void {
    // The first message of a server that has told something before: what, was not heard here.
    const before = this.#others.get(from)?.number ?? 0;
    this.#others.set(from, { number, heardAt: performance.now() });
    for (const { news: hear } of this.#hearing) hear(news);
    if (number !== before + 1) this.#unsure();
  }

  /** While this server cannot hear, or be heard, everything counts as changed at each beat. */
  #lookAround(): void {
    this.#send();
    const now = performance.now();
    let isSilent = !this.#redis.isReady || !this.#isHeard;
    for (const [id, { heardAt }] of this.#others) {
      if (now - heardAt > GONE_MS) this.#others.delete(id);
      else if (now - heardAt > SILENT_BEATS * BEAT_MS) isSilent = true;
    }
    if (isSilent) this.#unsure();
  }

  #unsure(): void {
    for (const { unsure } of this.#hearing) unsure();
  }
}

const KINDS = ['changed', 'grew', 'ended', 'noticed', 'dismissed'] as const;

function nothing(): Required<News> {
  return { changed: [], grew: [], ended: [], noticed: [], dismissed: [] };
}
