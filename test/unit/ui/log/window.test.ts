import { RowHeights } from '@reprise/ui/log/row-heights.ts';
import { HIGHEST, scaleOf, toContent, toPhysical } from '@reprise/ui/log/scroll-scale.ts';
import { Rows } from '@reprise/ui/log/sections.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('the scroll bar', () => {
  const content = fc.integer({ min: 1, max: 400_000_000_000 });

  test('is no scale where an element can be that high', () => {
    expect(scaleOf(9_000_000)).toEqual({ content: 9_000_000, physical: 9_000_000 });
    expect(toContent(scaleOf(9_000_000), 1234)).toBe(1234);
  });

  test('is never higher than a browser makes it', () => {
    fc.assert(
      fc.property(content, (height) => {
        expect(scaleOf(height).physical).toBeLessThanOrEqual(HIGHEST);
      }),
    );
  });

  test('reaches every place, and both ends exactly', () => {
    fc.assert(
      fc.property(content, fc.double({ min: 0, max: 1, noNaN: true }), (height, part) => {
        const scale = scaleOf(height);
        expect(toContent(scale, 0)).toBe(0);
        expect(toContent(scale, scale.physical)).toBeCloseTo(height, 3);
        const top = Math.floor(height * part);
        const place = toPhysical(scale, top);
        expect(place).toBeGreaterThanOrEqual(0);
        expect(place).toBeLessThanOrEqual(scale.physical);
        expect(Math.abs(toContent(scale, place) - top)).toBeLessThan(1);
      }),
    );
  });

  test('goes down where the content goes down', () => {
    const scale = scaleOf(200_000_000);
    let last = -1;
    for (let place = 0; place <= scale.physical; place += 99_991) {
      expect(toContent(scale, place)).toBeGreaterThan(last);
      last = toContent(scale, place);
    }
  });
});

describe('heights of rows', () => {
  test('are all the same until some are measured', () => {
    const heights = new RowHeights(20);
    expect(heights.offsetOf(1000)).toBe(20_000);
    expect(heights.measure(3, 60)).toBe(true);
    expect(heights.measure(3, 60)).toBe(false);
    expect(heights.measure(4, 20)).toBe(false);
    expect([heights.offsetOf(3), heights.offsetOf(4), heights.heightOf(3)]).toEqual([60, 120, 60]);
  });

  test('a row is found where it is, whatever was measured', () => {
    const measured = fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 90 })), { maxLength: 60 });
    fc.assert(
      fc.property(measured, fc.nat(200), (list, row) => {
        const heights = new RowHeights(20);
        const expected = new Array<number>(201).fill(20);
        for (const [at, pixels] of list) {
          heights.measure(at, pixels);
          expected[at] = pixels;
        }
        const above = expected.slice(0, row).reduce((sum, height) => sum + height, 0);
        expect(heights.offsetOf(row)).toBe(above);
        expect(heights.rowAt(above, 201)).toBe(row);
        expect(heights.rowAt(above + (expected[row] ?? 0) - 1, 201)).toBe(row);
      }),
    );
  });
});

describe('rows of sections', () => {
  test('a log without steps has no heads', () => {
    const rows = new Rows([], 3, new Set());
    expect(rows.count).toBe(3);
    expect(rows.heads).toEqual([]);
    expect(rows.at(2)).toEqual({ kind: 'line', line: 3, section: 0 });
  });

  const sections = [
    { step: -1, first: 1 },
    { step: 0, first: 3 },
    { step: 1, first: 6 },
    { step: 2, first: 6 },
  ];

  test('each step has a head above its lines, also one that wrote nothing', () => {
    const rows = new Rows(sections, 7, new Set());
    const shown = Array.from({ length: rows.count }, (_, row) => {
      const at = rows.at(row);
      return at.kind === 'head' ? `head ${at.section}` : at.line;
    });
    expect(shown).toEqual(['head 0', 1, 2, 'head 1', 3, 4, 5, 'head 2', 'head 3', 6, 7]);
    expect(rows.heads).toEqual([0, 3, 7, 8]);
    expect(rows.linesOf(2)).toEqual({ first: 6, last: 5 });
  });

  test('a folded one shows its head only', () => {
    const rows = new Rows(sections, 7, new Set([0]));
    expect(rows.count).toBe(8);
    expect(rows.ofLine(4)).toBe(3);
    expect(rows.isFolded(1)).toBe(true);
    expect(rows.at(4)).toEqual({ kind: 'head', section: 2 });
  });

  test('a step that has begun and written nothing yet is at the end', () => {
    const rows = new Rows(
      [
        { step: 0, first: 1 },
        { step: 1, first: 4 },
      ],
      3,
      new Set(),
    );
    expect(rows.count).toBe(5);
    expect(rows.at(4)).toEqual({ kind: 'head', section: 1 });
  });

  test('every line is in one row, and its row is that line', () => {
    const starts = fc.uniqueArray(fc.integer({ min: 2, max: 60 }), { maxLength: 8 });
    fc.assert(
      fc.property(starts, fc.nat(60), fc.array(fc.nat(8)), (firsts, total, folded) => {
        const list = [1, ...firsts.sort((a, b) => a - b)].map((first, step) => ({ step, first }));
        const rows = new Rows(list, total, new Set(folded));
        let lines = 0;
        for (let row = 0; row < rows.count; row += 1) {
          const at = rows.at(row);
          if (at.kind === 'head') expect(rows.ofHead(at.section)).toBe(row);
          else {
            lines += 1;
            expect(rows.ofLine(at.line)).toBe(row);
            expect(at.line).toBeLessThanOrEqual(total);
          }
        }
        const hidden = list.map((_, section) => section).filter((section) => rows.isFolded(section));
        const foldedLines = hidden.reduce((sum, section) => {
          const { first, last } = rows.linesOf(section);
          return sum + last - first + 1;
        }, 0);
        expect(lines + foldedLines).toBe(total);
      }),
    );
  });
});
