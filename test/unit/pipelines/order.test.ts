import { allNeeds, orderByNeeds } from '@reprise/pipelines/order.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const items = fc.integer({ min: 1, max: 8 }).chain((count) => {
  const names = Array.from({ length: count }, (_, index) => `j${index}`);
  return fc.tuple(...names.map((name) => fc.subarray(names).map((needs) => ({ name, needs }))));
});

test('either everything follows what it needs, or a circle that exists is named', () => {
  fc.assert(
    fc.property(items, (given) => {
      const { order, cycle } = orderByNeeds(given);
      if (order !== null) {
        expect(order.toSorted((a, b) => a.name.localeCompare(b.name))).toEqual(given);
        for (const [index, { needs }] of order.entries()) {
          const before = order.slice(0, index).map(({ name }) => name);
          expect(before).toEqual(expect.arrayContaining(needs));
        }
      } else {
        expect(cycle.length).toBeGreaterThan(1);
        expect(cycle[0]).toBe(cycle.at(-1));
        for (const [index, name] of cycle.slice(0, -1).entries()) {
          expect(given.find((item) => item.name === name)?.needs).toContain(cycle[index + 1]);
        }
      }
    }),
  );
});

test('what needs nothing keeps its place', () => {
  const given = ['c', 'a', 'b'].map((name) => ({ name, needs: [] }));
  expect(orderByNeeds(given).order).toEqual(given);
});

test('a circle is named without what only leads to it', () => {
  const { cycle } = orderByNeeds([
    { name: 'a', needs: ['b'] },
    { name: 'b', needs: ['c'] },
    { name: 'c', needs: ['b'] },
  ]);
  expect(cycle).toEqual(['b', 'c', 'b']);
});

test('needs include the needs of needs', () => {
  const needs: Record<string, string[]> = { a: ['b'], b: ['c', 'd'], c: ['d'] };
  expect([...allNeeds('a', (name) => needs[name] ?? [])].toSorted()).toEqual(['b', 'c', 'd']);
});
