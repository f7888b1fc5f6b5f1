import { inLanes, Rounds } from '@reprise/server/rounds.ts';
import { pino } from 'pino';
import { expect, test } from 'vitest';

function rounds(work: (signal: AbortSignal) => Promise<unknown>) {
  const lines: { msg: string }[] = [];
  const log = pino({}, { write: (line) => void lines.push(JSON.parse(line)) });
  return { lines, rounds: new Rounds({ log, failed: 'the round failed', work }) };
}

test('a call while a round is under way is part of it, and the next is a round of its own', async () => {
  const count = { begun: 0 };
  const go = Promise.withResolvers<void>();
  const { rounds: work } = rounds(async () => {
    count.begun += 1;
    await go.promise;
  });
  const together = [work.go(), work.go()];
  go.resolve();
  await Promise.all(together);
  expect(count.begun).toBe(1);
  await work.go();
  expect(count.begun).toBe(2);
});

test('a round that fails is said, and the next goes on', async () => {
  let isWell = false;
  const { rounds: work, lines } = rounds(async () => {
    if (!isWell) throw new Error('no');
  });
  await work.go();
  isWell = true;
  await work.go();
  expect(lines).toMatchObject([{ msg: 'the round failed', err: { message: 'no' } }]);
});

test('stopping asks the round to end, waits for it, and lets none begin', async () => {
  const count = { begun: 0, ended: 0 };
  const { rounds: work, lines } = rounds(async (signal) => {
    count.begun += 1;
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    count.ended += 1;
    signal.throwIfAborted();
  });
  void work.go();
  await work.stop();
  await work.go();
  expect(count).toEqual({ begun: 1, ended: 1 });
  expect(lines).toEqual([]);
});

test('in lanes everything is done, so many at once, and one that fails holds no other back', async () => {
  const [done, failed]: [number[], number[]] = [[], []];
  const at = { once: 0, most: 0 };
  const { signal } = new AbortController();
  await inLanes(
    [1, 2, 3, 4, 5, 6, 7],
    { lanes: 3, signal, failed: (item) => failed.push(item) },
    async (item) => {
      at.once += 1;
      at.most = Math.max(at.most, at.once);
      await Promise.resolve();
      at.once -= 1;
      if (item % 3 === 0) throw new Error('no');
      done.push(item);
    },
  );
  expect(done.toSorted()).toEqual([1, 2, 4, 5, 7]);
  expect(failed.toSorted()).toEqual([3, 6]);
  expect(at.most).toBe(3);
});

test('lanes end with their signal, and what fails because of it is no failure', async () => {
  const stopping = new AbortController();
  const begun: number[] = [];
  const failed: number[] = [];
  await inLanes(
    [1, 2, 3],
    { lanes: 1, signal: stopping.signal, failed: (item) => failed.push(item) },
    async (item) => {
      begun.push(item);
      stopping.abort();
      stopping.signal.throwIfAborted();
    },
  );
  expect([begun, failed]).toEqual([[1], []]);
});
