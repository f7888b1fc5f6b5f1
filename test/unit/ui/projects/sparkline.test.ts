import { bars, PLACES, type RecentBuild, summary } from '@reprise/ui/projects/sparkline.ts';
import { describe, expect, test } from 'vitest';

const SIZE = { width: 180, height: 30 };
const build = (number: number, durationMs: number | null, status: RecentBuild['status'] = 'passed') => ({
  number,
  status,
  durationMs,
});

describe('bars', () => {
  test('as high as the build took long', () => {
    const [short, long] = bars([build(1, 20_000), build(2, 40_000)], SIZE);
    expect(long?.height).toBe(30);
    expect(short?.height).toBe(15);
  });

  test('the newest at the right edge, each equally wide however few there are', () => {
    const one = bars([build(1, 1000)], SIZE);
    const all = bars(
      Array.from({ length: PLACES }, (_, at) => build(at + 1, 1000)),
      SIZE,
    );
    expect(one[0]?.width).toBe(all[0]?.width);
    expect(one[0]?.x).toBe(all.at(-1)?.x);
    const { x = 0, width = 0 } = all.at(-1) ?? {};
    expect(x + width).toBeCloseTo(SIZE.width, 0);
    expect(all[0]?.x).toBe(0);
  });

  test('of more builds than places the last are shown', () => {
    const shown = bars(
      Array.from({ length: PLACES + 12 }, (_, at) => build(at + 1, 1000)),
      SIZE,
    );
    expect(shown.map(({ number }) => number)).toEqual(Array.from({ length: PLACES }, (_, at) => at + 13));
  });

  test('one stuck build does not flatten the others', () => {
    const shown = bars([build(1, 10_000), build(2, 10_000), build(3, 3_600_000)], SIZE);
    expect(shown.map(({ height }) => height)).toEqual([10, 10, 30]);
  });

  test('what took no time, or has none yet, can still be seen and stays inside', () => {
    const statuses = ['queued', 'blocked', 'running', 'skipped', 'cancelled'] as const;
    for (const status of statuses) {
      for (const recent of [[build(1, null, status)], [build(1, 0, status), build(2, 9000)]]) {
        for (const { height, x, width } of bars(recent, SIZE)) {
          expect(height).toBeGreaterThan(3);
          expect(height).toBeLessThanOrEqual(SIZE.height);
          expect(x + width).toBeLessThanOrEqual(SIZE.width + 0.01);
        }
      }
    }
    expect(bars([], SIZE)).toEqual([]);
  });

  test('each says what became of the build', () => {
    const titles = bars(
      [build(11, 90_000, 'failed'), build(12, 40_000), build(13, 2000, 'running'), build(14, 0, 'skipped')],
      SIZE,
    ).map(({ title }) => title);
    expect(titles).toEqual(['#11 failed after 1m 30s', '#12 passed in 40s', '#13 running', '#14 skipped']);
  });
});

describe('the summary', () => {
  test('counts the outcomes, the most frequent first, and tells the newest', () => {
    const recent = [build(1, 1000, 'failed'), build(2, 2000), build(3, 40_000)];
    expect(summary(recent)).toBe('Last 3 builds: 2 passed, 1 failed. Newest: #3 passed in 40s.');
  });

  test('of one build, and of none', () => {
    expect(summary([build(7, null, 'queued')])).toBe('One build: 1 queued. Newest: #7 queued.');
    expect(summary([])).toBe('No builds yet.');
  });
});
