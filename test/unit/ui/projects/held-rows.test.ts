import { hold } from '@reprise/ui/projects/held-rows.ts';
import { expect, test } from 'vitest';

const rows = (...numbers: number[]) => numbers.map((number) => ({ number, state: 'old' }));
const news = (...numbers: number[]) => numbers.map((number) => ({ number, state: 'new' }));

test('new rows wait; the shown ones are brought up to date where they stand', () => {
  expect(hold(rows(3, 2, 1), news(5, 4, 3, 2, 1))).toEqual({ rows: news(3, 2, 1), waiting: 2 });
});

test('a row that only fell off the end of the answer stays', () => {
  const held = hold(rows(3, 2, 1), news(4, 3, 2));
  expect(held.rows.map(({ number }) => number)).toEqual([3, 2, 1]);
  expect(held.waiting).toBe(1);
});

test('a row that left what is asked for goes', () => {
  expect(hold(rows(3, 2, 1), news(3, 1)).rows.map(({ number }) => number)).toEqual([3, 1]);
  expect(hold(rows(3, 2, 1), []).rows).toEqual([]);
});

test('where nothing was shown, all that came is', () => {
  expect(hold([], news(2, 1))).toEqual({ rows: news(2, 1), waiting: 0 });
});
