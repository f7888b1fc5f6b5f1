import { BOX, layOut } from '@reprise/ui/builds/graph-layout.ts';
import { expect, test } from 'vitest';

const FIVE = [
  { name: 'lint', needs: [] },
  { name: 'test', needs: [] },
  { name: 'docs', needs: [] },
  { name: 'package', needs: ['lint', 'test', 'docs'] },
  { name: 'smoke', needs: ['package', 'lint'] },
];

function placesOf(jobs: { name: string; needs: string[] }[]) {
  return Object.fromEntries(layOut(jobs).jobs.map(({ name, x, y }) => [name, { x, y }]));
}

test('every job stands right of all it needs', () => {
  const places = placesOf(FIVE);
  for (const { name, needs } of FIVE) {
    for (const need of needs) {
      expect(places[name]?.x).toBeGreaterThan((places[need]?.x ?? Number.NaN) + BOX.width);
    }
  }
});

test('no two boxes touch, and all are inside the picture', () => {
  const { jobs, width, height } = layOut(FIVE);
  for (const [at, one] of jobs.entries()) {
    expect(one.x).toBeGreaterThanOrEqual(0);
    expect(one.y).toBeGreaterThanOrEqual(0);
    expect(one.x + BOX.width).toBeLessThanOrEqual(width);
    expect(one.y + BOX.height).toBeLessThanOrEqual(height);
    for (const other of jobs.slice(at + 1)) {
      const apart = Math.abs(one.x - other.x) >= BOX.width || Math.abs(one.y - other.y) >= BOX.height;
      expect(apart, `${one.name} and ${other.name}`).toBe(true);
    }
  }
});

test('an edge goes from the right side of one box to the left side of the other', () => {
  const { jobs, edges } = layOut(FIVE);
  expect(edges.map(({ from, to }) => `${from} ${to}`)).toEqual([
    'lint package',
    'test package',
    'docs package',
    'package smoke',
    'lint smoke',
  ]);
  for (const { from, to, path } of edges) {
    const [start, end] = [jobs.find(({ name }) => name === from), jobs.find(({ name }) => name === to)];
    const middle = BOX.height / 2;
    const numbers = path.match(/-?[\d.]+/g)?.map(Number) ?? [];
    expect(numbers.slice(0, 2)).toEqual([(start?.x ?? 0) + BOX.width, (start?.y ?? 0) + middle]);
    expect(numbers.slice(-2)).toEqual([end?.x, (end?.y ?? 0) + middle]);
  }
});

test('an edge over a column goes level through it, past the boxes there', () => {
  const { jobs, edges } = layOut(FIVE);
  const passed = jobs.find(({ name }) => name === 'package');
  const over = edges.find(({ from, to }) => from === 'lint' && to === 'smoke');
  const level = /([\d.]+),([\d.]+)L([\d.]+),([\d.]+)/
    .exec(over?.path ?? '')
    ?.slice(1)
    .map(Number);
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = level ?? [];
  expect([x1, x2]).toEqual([passed?.x, (passed?.x ?? 0) + BOX.width]);
  expect(y1).toBe(y2);
  expect(y1 < (passed?.y ?? 0) || y1 > (passed?.y ?? 0) + BOX.height).toBe(true);
});

test('jobs without needs keep the order of the plan from top to bottom', () => {
  const places = placesOf(['a', 'b', 'c', 'd'].map((name) => ({ name, needs: [] })));
  const heights = ['a', 'b', 'c', 'd'].map((name) => places[name]?.y ?? Number.NaN);
  expect(heights).toEqual(heights.toSorted((one, other) => one - other));
  expect(new Set(heights).size).toBe(4);
});

test('names of what every object has are names like others, and an unknown or repeated need is left out', () => {
  const { jobs, edges } = layOut([
    { name: 'constructor', needs: [] },
    { name: 'tostring', needs: ['constructor', 'gone', 'constructor'] },
  ]);
  expect(jobs.map(({ name }) => name)).toEqual(['constructor', 'tostring']);
  expect(edges.map(({ from, to }) => [from, to])).toEqual([['constructor', 'tostring']]);
});

test('two hundred jobs are all placed, none over another', () => {
  const jobs = Array.from({ length: 200 }, (_, at) => ({
    name: `job-${at}`,
    needs: at < 20 ? [] : [`job-${at - 20}`, `job-${at - 19}`],
  }));
  const places = layOut(jobs).jobs.map(({ x, y }) => `${x} ${y}`);
  expect(new Set(places).size).toBe(200);
});
