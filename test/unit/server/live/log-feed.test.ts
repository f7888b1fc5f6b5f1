import { type LogChunk, LogFeed } from '@reprise/server/live/log-feed.ts';
import { expect, test } from 'vitest';

const CHUNK = 256 * 1024;

test('a log is sent from the offset asked for, in chunks, the last one with the end', async () => {
  const log = new ScriptedLog('x'.repeat(CHUNK + 10), { over: true });
  log.feed(4).pump();
  await log.ended;
  expect(log.sent.map(({ offset, bytes, end }) => [offset, bytes.length, end])).toEqual([
    [4, CHUNK, false],
    [CHUNK + 4, 6, true],
  ]);
});

test('the next chunk waits for the acknowledgement of the one before', async () => {
  const log = new ScriptedLog('x'.repeat(3 * CHUNK), { over: true });
  const held = Promise.withResolvers<void>();
  log.acknowledge = () => held.promise;
  log.feed(0).pump();
  await turn();
  expect(log.sent.length).toBe(1);
  held.resolve();
  await log.ended;
  expect(log.sent.length).toBe(3);
});

test('what grows while a chunk is on its way is sent after it', async () => {
  const log = new ScriptedLog('one');
  const feed = log.feed(0);
  log.acknowledge = async () => {
    log.acknowledge = async () => {};
    log.text += ' two';
    feed.pump();
  };
  feed.pump();
  await turn();
  expect(log.said()).toBe('one two');
});

test('an attempt that ends without another byte is told as an empty last chunk', async () => {
  const log = new ScriptedLog('all');
  const feed = log.feed(0);
  feed.pump();
  await turn();
  log.over = true;
  feed.attemptChanged();
  await log.ended;
  expect(log.sent.at(-1)).toMatchObject({ offset: 3, end: true });
});

test('a watcher that does not take its chunk gets no other, and that is told once', async () => {
  const log = new ScriptedLog('x'.repeat(2 * CHUNK));
  log.acknowledge = async () => {
    throw new Error('no acknowledgement');
  };
  const feed = log.feed(0);
  feed.pump();
  await turn();
  feed.pump();
  feed.attemptChanged();
  await turn();
  expect(log.sent.length).toBe(1);
  expect(log.failures.length).toBe(1);
});

test('a feed that was closed sends nothing more and fails no more', async () => {
  const log = new ScriptedLog('x'.repeat(2 * CHUNK));
  const feed = log.feed(0);
  log.acknowledge = async () => {
    feed.close();
    throw new Error('gone');
  };
  feed.pump();
  await turn();
  expect([log.sent.length, log.failures.length]).toEqual([1, 0]);
});

/** A log in a string, and a watcher that notes what it was sent. */
class ScriptedLog {
  text: string;
  over: boolean;
  acknowledge: () => Promise<void> = async () => {};
  readonly sent: LogChunk[] = [];
  readonly failures: unknown[] = [];
  readonly #ended = Promise.withResolvers<void>();
  readonly ended = this.#ended.promise;

  constructor(text: string, o: { over?: boolean } = {}) {
    this.text = text;
    this.over = o.over ?? false;
  }

  feed(offset: number): LogFeed {
    const source = {
      size: async () => this.text.length,
      readInto: async (buffer: Buffer, start: number) => buffer.write(this.text.slice(start)),
      isOver: async () => this.over,
      send: async (chunk: LogChunk) => {
        this.sent.push({ ...chunk, bytes: Buffer.from(chunk.bytes) });
        await this.acknowledge();
        if (chunk.end) this.#ended.resolve();
      },
    };
    return new LogFeed(source, { offset, failed: (error) => this.failures.push(error) });
  }

  said(): string {
    return Buffer.concat(this.sent.map(({ bytes }) => bytes)).toString();
  }
}

/** Lets everything that waits for nothing but a promise run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
