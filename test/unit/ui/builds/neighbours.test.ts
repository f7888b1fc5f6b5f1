import { findNeighbours } from '@reprise/ui/builds/neighbours.ts';
import { expect, test } from 'vitest';

/** A branch with builds of these numbers, answered as the server does: newest first, below `before`, at most `limit`. */
function branchOf(...numbers: number[]) {
  const asked: URLSearchParams[] = [];
  const ask = async (query: string) => {
    const search = new URLSearchParams(query);
    asked.push(search);
    const before = Number(search.get('before') ?? Number.POSITIVE_INFINITY);
    const limit = Number(search.get('limit'));
    if (limit > 200) throw new Error('The server refuses more than 200.');
    const below = numbers.filter((number) => number < before).sort((one, other) => other - one);
    return below.slice(0, limit).map((number) => ({ number }));
  };
  return { ask, asked };
}

const of = (number: number) => ({ number, branch: 'main' });

test('neighbours nearby are found by one question, which names the branch', async () => {
  const { ask, asked } = branchOf(3, 5, 8, 9);
  expect(await findNeighbours(ask, of(5))).toEqual({ previous: 3, next: 8 });
  expect(asked.map((search) => search.get('branch'))).toEqual(['main']);
});

test('the first and the only build have none', async () => {
  expect(await findNeighbours(branchOf(4, 6).ask, of(4))).toEqual({ previous: null, next: 6 });
  expect(await findNeighbours(branchOf(4).ask, of(4))).toEqual({ previous: null, next: null });
});

test('the newest build has no next one, and that costs two questions however old the project', async () => {
  const { ask, asked } = branchOf(...Array.from({ length: 5000 }, (_, at) => at + 1));
  expect(await findNeighbours(ask, of(5000))).toEqual({ previous: 4999, next: null });
  expect(asked).toHaveLength(2);
});

test('a next build far away is found, and is the nearest', async () => {
  expect(await findNeighbours(branchOf(1, 900, 905).ask, of(1))).toEqual({ previous: null, next: 900 });
  for (const next of [11, 12, 208, 209, 210, 406, 407]) {
    expect(await findNeighbours(branchOf(1, next, next + 1).ask, of(1))).toMatchObject({ next });
  }
});

test('a build that lists leave out still has the neighbours around it', async () => {
  expect(await findNeighbours(branchOf(3, 8).ask, of(5))).toEqual({ previous: 3, next: 8 });
});

test('without a branch the whole project is asked', async () => {
  const { ask, asked } = branchOf(1, 2, 3);
  expect(await findNeighbours(ask, { number: 2, branch: null })).toEqual({ previous: 1, next: 3 });
  expect(asked[0]?.has('branch')).toBe(false);
});
