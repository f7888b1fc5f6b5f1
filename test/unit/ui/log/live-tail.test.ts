import { LiveTail, type TailOptions } from '@reprise/ui/log/live-tail.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const START: TailOptions = { offset: 0, line: 1, continued: false, limit: 1e9, lineCut: 1e9 };
const bytes = (text: string) => new TextEncoder().encode(text);

function tailOf(...chunks: string[]): LiveTail {
  const tail = new LiveTail(START);
  for (const chunk of chunks) tail.append(tail.end, bytes(chunk), 1000);
  return tail;
}

const textsOf = (tail: LiveTail) =>
  Array.from({ length: tail.total - tail.first + 1 }, (_, at) => tail.line(tail.first + at)?.text);

test.each([
  [[], 0, []],
  [['a'], 1, ['a']],
  [['a\n'], 1, ['a']],
  [['a\n', 'b'], 2, ['a', 'b']],
  [['a', 'b\nc', '\n'], 2, ['ab', 'c']],
  [['\n\n'], 2, ['', '']],
])('of %j there are %i lines', (chunks, total, lines) => {
  const tail = tailOf(...chunks);
  expect(tail.total).toBe(total);
  expect(textsOf(tail)).toEqual(lines);
});

test('a character that came in two parts is one', () => {
  const whole = bytes('a👩é\n');
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const tail = new LiveTail(START);
    tail.append(0, whole.subarray(0, cut), 0);
    expect(tail.line(1)?.text ?? '').not.toContain('\ufffd');
    tail.append(cut, whole.subarray(cut), 0);
    expect(tail.line(1)?.text).toBe('a👩é');
  }
});

test('bytes that come twice are passed over, bytes before which some are missing are not taken', () => {
  const tail = tailOf('one\ntwo');
  expect(tail.append(4, bytes('two\nthree'), 0)).toBe(true);
  expect(tail.append(0, bytes('one'), 0)).toBe(true);
  expect(tail.append(99, bytes('later'), 0)).toBe(false);
  expect(textsOf(tail)).toEqual(['one', 'two', 'three']);
  expect(tail.end).toBe(13);
});

test('a line began when its first byte arrived', () => {
  const tail = new LiveTail({ ...START, at: 500 });
  tail.append(0, bytes('half'), 1000);
  tail.append(4, bytes(' a line\nnext'), 2000);
  tail.append(16, bytes('\nlast'), 3000);
  expect([1, 2, 3].map((number) => tail.line(number)?.at)).toEqual([500, 2000, 3000]);
});

test('of a line that began before it, a tail only knows the end', () => {
  const tail = new LiveTail({ ...START, offset: 100_000, line: 7, continued: true });
  expect([tail.total, tail.first]).toEqual([7, 8]);
  tail.append(100_000, bytes('rest\nnext'), 0);
  expect([tail.total, tail.first]).toEqual([8, 8]);
  expect(tail.line(7)).toBeNull();
  expect(tail.line(8)).toMatchObject({ offset: 100_005, text: 'next' });
});

test('a long line is cut before half a character', () => {
  const tail = new LiveTail({ ...START, lineCut: 4 });
  tail.append(0, bytes('aéé👩\n'), 0);
  expect(tail.line(1)).toMatchObject({ text: 'aé', cutFrom: 9 });
});

test('what is held is bounded, also of one line that never ends', () => {
  const tail = new LiveTail({ ...START, limit: 256 * 1024 });
  const flood = bytes(`${'x'.repeat(99)}\n`.repeat(1000));
  for (let count = 0; count < 50; count += 1) tail.append(tail.end, flood, count);
  expect(tail.total).toBe(50_000);
  expect(tail.total - tail.first).toBeLessThan(3400);
  expect(tail.line(tail.first - 1)).toBeNull();
  expect(textsOf(tail).every((text) => text?.length === 99)).toBe(true);
  for (let count = 0; count < 10; count += 1) tail.append(tail.end, bytes('y'.repeat(100_000)), 0);
  expect([tail.total, tail.first]).toEqual([50_001, 50_002]);
  expect(tail.line(50_001)).toBeNull();
  tail.append(tail.end, bytes('\nz'), 0);
  expect(textsOf(tail)).toEqual(['z']);
});

test('any chunks give the lines of the whole text, and places belong to their lines', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '\n', 'é', '👩', 'x'.repeat(30_000), '\n'.repeat(200)),
    maxLength: 40,
  });
  fc.assert(
    fc.property(
      text,
      fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1 }),
      fc.nat(),
      (given, sizes, place) => {
        const whole = bytes(given);
        const tail = new LiveTail(START);
        for (let at = 0, turn = 0; at < whole.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          expect(tail.append(at, whole.subarray(at, at + size), 0)).toBe(true);
          at += size;
        }
        const lines = given.split('\n');
        if (lines.at(-1) === '') lines.pop();
        expect(textsOf(tail)).toEqual(lines);
        const offset = place % (whole.length + 1);
        const before = whole.subarray(0, offset).filter((byte) => byte === 10).length;
        expect(tail.lineOf(offset)).toBe(before + 1);
      },
    ),
    { numRuns: 200 },
  );
});
