import type { LogLines } from '@reprise/server/logs/log.api.ts';
import { LogModel } from '@reprise/ui/log/log-model.ts';
import type { LogListener, LogSource } from '@reprise/ui/log/log-source.ts';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';

const LINE_CUT = 16 * 1024;

/** A log that the test writes, read and watched as the server's is: lines at any moment, bytes from the watcher's offset. */
class ScriptedLog implements LogSource {
  bytesWritten = Buffer.alloc(0);
  asked: { from: number; count: number }[] = [];
  isDown = false;
  #watch: { offset: () => number; on: LogListener; sent: number } | null = null;

  write(text: string | Uint8Array): void {
    this.bytesWritten = Buffer.concat([this.bytesWritten, Buffer.from(text as string)]);
  }

  async lines(what: { from: number } | { offset: number }, count: number): Promise<LogLines> {
    if (this.isDown) throw new Error('The server does not answer.');
    const all = this.#all();
    const total = all.length;
    const from =
      'offset' in what
        ? Math.max(
            1,
            Math.min(
              total,
              this.bytesWritten.subarray(0, what.offset).filter((byte) => byte === 10).length + 1,
            ),
          )
        : what.from < 0
          ? Math.max(1, total + 1 + what.from)
          : what.from;
    this.asked.push({ from, count });
    return { lines: all.slice(from - 1, from - 1 + count), total };
  }

  async search() {
    return { matches: [], more: false };
  }

  async bytes(start: number, length: number): Promise<Uint8Array> {
    return this.bytesWritten.subarray(start, start + length);
  }

  watch(offset: () => number, on: LogListener): () => void {
    this.#watch = { offset, on, sent: offset() };
    return () => {
      this.#watch = null;
    };
  }

  /** Sends the next bytes, at most so many. */
  send(most = 1e9, end = false): void {
    const watch = this.#watch;
    if (!watch) return;
    const bytes = this.bytesWritten.subarray(watch.sent, watch.sent + most);
    void watch.on.chunk(watch.sent, new Uint8Array(bytes), end);
    watch.sent += bytes.length;
  }

  /** Sends bytes that were sent before once more, as after a lost acknowledgement. */
  sendAgain(back: number): void {
    const watch = this.#watch;
    if (!watch) return;
    const start = Math.max(0, watch.offset() - back);
    void watch.on.chunk(start, new Uint8Array(this.bytesWritten.subarray(start, watch.sent)), false);
  }

  /** What was on its way is lost; watched again from the watcher's own offset. */
  reconnect(): void {
    if (this.#watch) this.#watch.sent = this.#watch.offset();
  }

  #all(): LogLines['lines'] {
    const lines: LogLines['lines'] = [];
    for (let start = 0; start < this.bytesWritten.length; ) {
      const newline = this.bytesWritten.indexOf(10, start);
      const end = newline === -1 ? this.bytesWritten.length : newline;
      const text = this.bytesWritten.subarray(start, Math.min(end, start + LINE_CUT)).toString();
      lines.push({
        number: lines.length + 1,
        offset: start,
        length: end - start,
        at: '2026-01-01T00:00:00.000Z',
        text,
      });
      start = end + 1;
    }
    return lines;
  }
}

function open(log: ScriptedLog, growing: boolean) {
  const model = new LogModel(log, { changed: () => {}, retryMs: 1 });
  return { model, opened: model.open({ growing }) };
}

const numbered = (count: number, from = 1) =>
  Array.from({ length: count }, (_, at) => `line ${from + at}\n`).join('');

async function texts(model: LogModel, first: number, last: number): Promise<(string | undefined)[]> {
  model.want([{ first, last }]);
  await vi.waitFor(() => expect(model.line(last) && model.line(first)).toBeTruthy());
  return Array.from({ length: last - first + 1 }, (_, at) => model.line(first + at)?.text);
}

test('a log opens at its end by one question, whatever its size', async () => {
  const log = new ScriptedLog();
  log.write(numbered(50_000));
  const { model, opened } = open(log, false);
  await opened;
  expect(model.total).toBe(50_000);
  expect(model.line(50_000)?.text).toBe('line 50000');
  expect(log.asked).toEqual([{ from: 49_801, count: 200 }]);
});

test('what is looked at is fetched, and only that', async () => {
  const log = new ScriptedLog();
  log.write(numbered(50_000));
  const { model, opened } = open(log, false);
  await opened;
  expect(model.line(25_000)).toBeNull();
  expect(await texts(model, 25_000, 25_002)).toEqual(['line 25000', 'line 25001', 'line 25002']);
  expect(log.asked.length).toBe(2);
  expect(log.asked[1]?.count).toBeLessThanOrEqual(256);
});

test('while somebody drags through a log, two questions at a time are asked, and the last wish is granted', async () => {
  const log = new ScriptedLog();
  log.write(numbered(50_000));
  const { model, opened } = open(log, false);
  await opened;
  log.asked = [];
  for (let line = 1; line < 40_000; line += 1000) model.want([{ first: line, last: line + 50 }]);
  expect(await texts(model, 30_000, 30_001)).toEqual(['line 30000', 'line 30001']);
  expect(log.asked.length).toBeLessThanOrEqual(5);
});

test('a growing log goes on from where it was read, without asking again', async () => {
  const log = new ScriptedLog();
  log.write('one\ntw');
  const { model, opened } = open(log, true);
  await opened;
  expect(model.line(2)?.text).toBe('tw');
  log.write('o\nthree\n');
  log.send();
  log.send(0, true);
  expect([1, 2, 3].map((line) => model.line(line)?.text)).toEqual(['one', 'two', 'three']);
  expect([model.total, model.isEnded]).toEqual([3, true]);
  expect(log.asked.length).toBe(1);
});

test('an empty log grows from nothing', async () => {
  const log = new ScriptedLog();
  const { model, opened } = open(log, true);
  await opened;
  expect(model.total).toBe(0);
  log.write('first');
  log.send();
  expect([model.total, model.line(1)?.text]).toEqual([1, 'first']);
});

test('a long line that was half written is gone on with from where it was read to', async () => {
  const log = new ScriptedLog();
  log.write(`one\n${'x'.repeat(20_000)}`);
  const { model, opened } = open(log, true);
  await opened;
  log.write('yyy\nnext');
  log.send();
  expect(model.total).toBe(3);
  expect(model.line(2)).toMatchObject({ cutFrom: 20_000 });
  expect(model.line(3)?.text).toBe('next');
});

test('more of a long line comes when it is asked for', async () => {
  const log = new ScriptedLog();
  log.write(`${'é'.repeat(400_000)}\n${'x'.repeat(3_000_000)}\n`);
  const { model, opened } = open(log, false);
  await opened;
  for (const number of [1, 2]) {
    const line = model.line(number);
    if (line) await model.expand(line);
  }
  expect(model.line(1)).toMatchObject({ text: 'é'.repeat(400_000), cutFrom: null });
  expect(model.line(2)?.text.length).toBe(1024 * 1024);
  expect(model.line(2)?.cutFrom).toBe(3_000_000);
});

test('after a flood what was let go is fetched again, whole', async () => {
  const log = new ScriptedLog();
  log.write('start\nhalf');
  const { model, opened } = open(log, true);
  await opened;
  log.write(` a line\n${numbered(1_000_000, 3)}`);
  for (let sent = 0; sent < log.bytesWritten.length; sent += 262_144) log.send(262_144);
  expect(model.total).toBe(1_000_002);
  expect(model.line(1_000_002)?.text).toBe('line 1000002');
  expect(model.line(2)).toBeNull();
  expect(await texts(model, 1, 3)).toEqual(['start', 'half a line', 'line 3']);
});

test('what could not be fetched is said, and tried again', async () => {
  const log = new ScriptedLog();
  log.write(numbered(10));
  log.isDown = true;
  const { model, opened } = open(log, false);
  await opened;
  expect(model.problem).toEqual(new Error('The server does not answer.'));
  log.isDown = false;
  await vi.waitFor(() => expect(model.line(10)?.text).toBe('line 10'));
  expect(model.problem).toBeNull();
});

test('a log that grows on after all is gone on with', async () => {
  const log = new ScriptedLog();
  log.write('one\ntw');
  const { model, opened } = open(log, false);
  await opened;
  log.write('o\nthree');
  model.resume();
  await vi.waitFor(() => expect(model.line(3)?.text).toBe('three'));
  log.write('!\n');
  log.send();
  expect([2, 3].map((line) => model.line(line)?.text)).toEqual(['two', 'three!']);
});

test.each([
  ['one\ntwo\nthree\n', 4, 2],
  ['one\ntwo\nthree\n', 5, 2],
  ['one\ntwo\n', 8, 3],
  ['one\nhalf', 8, 2],
  ['', 0, 1],
])('in %j byte %i is of line %i', async (text, offset, line) => {
  const log = new ScriptedLog();
  log.write(text);
  for (const growing of [false, true]) {
    const { model, opened } = open(log, growing);
    await opened;
    expect(await model.lineOf(offset)).toBe(line);
  }
});

test('lines are read for copying from what is held and what is not', async () => {
  const log = new ScriptedLog();
  log.write(numbered(12_000));
  const { model, opened } = open(log, true);
  await opened;
  log.write(numbered(5, 12_001));
  log.send();
  const lines = await model.read(2, 12_005);
  expect(lines.map(({ text }) => text).join('\n')).toBe(
    log.bytesWritten.toString().split('\n').slice(1, -1).join('\n'),
  );
});

type Move =
  | { do: 'write'; text: string }
  | { do: 'send'; most: number }
  | { do: 'again'; back: number }
  | { do: 'reconnect' };

test('whatever comes, comes twice or is lost on its way, every line is shown once and whole', async () => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'é', '👩', '\n', '\r', 'b'.repeat(500), 'c\n'.repeat(300)),
    maxLength: 12,
  });
  const move: fc.Arbitrary<Move> = fc.oneof(
    fc.record({ do: fc.constant('write' as const), text }),
    fc.record({ do: fc.constant('send' as const), most: fc.integer({ min: 1, max: 3000 }) }),
    fc.record({ do: fc.constant('again' as const), back: fc.nat(2000) }),
    fc.record({ do: fc.constant('reconnect' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(text, fc.array(move, { maxLength: 40 }), async (start, moves) => {
      const log = new ScriptedLog();
      log.write(start);
      const { model, opened } = open(log, true);
      await opened;
      for (const given of moves) {
        if (given.do === 'write') log.write(given.text);
        else if (given.do === 'send') log.send(given.most);
        else if (given.do === 'again') log.sendAgain(given.back);
        else log.reconnect();
      }
      log.reconnect();
      log.send(1e9, true);
      const expected = log.bytesWritten.toString().split('\n');
      if (expected.at(-1) === '') expected.pop();
      expect(model.total).toBe(expected.length);
      expect((await model.read(1, model.total)).map((line) => line.text)).toEqual(expected);
      expect(model.isEnded).toBe(true);
      model.stop();
    }),
    { numRuns: 300 },
  );
});
