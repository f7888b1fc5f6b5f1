import { DrawnRows } from '@reprise/ui/log/drawn-rows.ts';
import { Rows } from '@reprise/ui/log/sections.ts';
import { expect, test } from 'vitest';

const rows = new Rows(
  [
    { step: 0, first: 1 },
    { step: 1, first: 101 },
  ],
  1000,
  new Set(),
);

function drawer() {
  const elements = new DrawnRows();
  return (first: number, end: number, isSelected = false) =>
    elements.draw({
      window: { first, end },
      rows,
      shown: (from, to) => Array.from({ length: to - from + 1 }, () => null),
      topOf: (row) => row * 20,
      isSelected,
    });
}

const keys = (drawn: { rows: { key: string }[] }) => drawn.rows.map(({ key }) => key);

test('heads and lines are drawn where they are, and only lines are looked at', () => {
  const drawn = drawer()(99, 104);
  expect(drawn.rows.map((row) => ('head' in row ? 'head' : row.line))).toEqual([99, 100, 'head', 101, 102]);
  expect(drawn.rows.map(({ top }) => top)).toEqual([1980, 2000, 2020, 2040, 2060]);
  expect(drawn.ranges).toEqual([
    { first: 99, last: 100 },
    { first: 101, last: 102 },
  ]);
});

test('a line keeps its element while one scrolls', () => {
  const draw = drawer();
  const [, second] = keys(draw(200, 210));
  expect(keys(draw(201, 211))[0]).toBe(second);
});

test('after a jump the elements are used again, in their order', () => {
  const draw = drawer();
  const before = keys(draw(200, 210));
  expect(keys(draw(600, 610))).toEqual(before);
  expect(keys(draw(300, 310))).toEqual(before);
  expect(keys(draw(301, 311))).toEqual([...before.slice(1), expect.any(String)]);
});

test('but not while text of theirs is selected', () => {
  const draw = drawer();
  const before = keys(draw(200, 210));
  expect(keys(draw(600, 610, true)).some((key) => before.includes(key))).toBe(false);
});

test('no two rows have the same key', () => {
  const draw = drawer();
  for (const first of [0, 500, 90, 95, 300, 0, 99, 700, 2]) {
    const drawn = keys(draw(first, first + 40));
    expect(new Set(drawn).size).toBe(40);
  }
});
