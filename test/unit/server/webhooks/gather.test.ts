import { gather } from '@reprise/server/webhooks/gather.ts';
import { expect, test } from 'vitest';

/** Doubles numbers, one batch after the other, and remembers the batches. A batch with a zero fails whole. */
function doubling() {
  const batches: number[][] = [];
  const double = gather(async (batch: number[]) => {
    batches.push(batch);
    if (batch.includes(0)) throw new Error('zero');
    return batch.map((number) => number * 2);
  });
  return { batches, double };
}

test('what is asked for in one turn of the event loop is one batch, answered each with its own', async () => {
  const { batches, double } = doubling();
  expect(await Promise.all([double(1), double(2), double(3)])).toEqual([2, 4, 6]);
  expect(batches).toEqual([[1, 2, 3]]);
});

test('what is asked for later is another batch', async () => {
  const { batches, double } = doubling();
  expect(await double(1)).toBe(2);
  expect(await double(2)).toBe(4);
  expect(batches).toEqual([[1], [2]]);
});

test('a member that makes its batch fail fails alone', async () => {
  const { batches, double } = doubling();
  const answers = await Promise.allSettled([double(1), double(0), double(3)]);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(batches).toEqual([[1, 0, 3], [1], [0], [3]]);
});
