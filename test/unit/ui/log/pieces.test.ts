import { parseLine } from '@reprise/ui/log/ansi.ts';
import { firstError } from '@reprise/ui/log/first-error.ts';
import { highlight } from '@reprise/ui/log/highlight.ts';
import { extend, lineLink, parseLineLink } from '@reprise/ui/log/line-link.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const marked = (text: string, wanted: string) =>
  highlight(parseLine(text).spans, wanted).map((piece) => (piece.match ? `<${piece.text}>` : piece.text));

test.each([
  ['one error here', 'error', ['one ', '<error>', ' here']],
  ['ERROR error', 'Error', ['<ERROR>', ' ', '<error>']],
  ['aaaa', 'aa', ['<aa>', '<aa>']],
  ['a\x1b[31mb\x1b[0mc', 'abc', ['<a>', '<b>', '<c>']],
  ['nothing', 'else', ['nothing']],
  ['all', '', ['all']],
  ['İstanbul', 'stan', ['İ', '<stan>', 'bul']],
])('in %j %j is highlighted', (text, wanted, pieces) => {
  expect(marked(text, wanted)).toEqual(pieces);
});

test('highlighting loses no text', () => {
  const word = fc.stringMatching(/^[abA \x1b[31m]{0,20}$/);
  fc.assert(
    fc.property(word, fc.stringMatching(/^[ab]{0,3}$/), (text, wanted) => {
      const { spans } = parseLine(text);
      const joined = (list: readonly { text: string }[]) => list.map((piece) => piece.text).join('');
      expect(joined(highlight(spans, wanted))).toBe(joined(spans));
    }),
  );
});

test.each([
  ['#L12', { first: 12, last: 12 }],
  ['#L12-L20', { first: 12, last: 20 }],
  ['#L20-12', { first: 12, last: 20 }],
  ['#L0', { first: 1, last: 1 }],
  ['#l12', null],
  ['#L', null],
  ['#L1-L2-L3', null],
  ['#L99999999999999999999', null],
  ['', null],
])('the hash %j points at lines', (hash, range) => {
  expect(parseLineLink(hash)).toEqual(range);
});

test('a link leads to the lines it was made for', () => {
  for (const range of [
    { first: 3, last: 3 },
    { first: 3, last: 9 },
  ])
    expect(parseLineLink(lineLink(range))).toEqual(range);
});

test('lines are chosen up and down from the one chosen first', () => {
  const first = extend(null, null, 5);
  expect(first).toEqual({ first: 5, last: 5 });
  expect(extend(first, 5, 9)).toEqual({ first: 5, last: 9 });
  expect(extend({ first: 5, last: 9 }, 5, 2)).toEqual({ first: 2, last: 5 });
});

const numbered = (...lines: string[]) => lines.map((text, at) => ({ number: at + 1, text }));

test.each([
  ['a compiler', ['gcc -c x.c', "x.c:3:5: error: expected ';'", 'make: *** [x.o] Error 1'], 2],
  ['TypeScript', ['> tsc', 'src/a.ts(1,2): error TS2322: Type', 'Found 1 error.'], 2],
  ['Rust', ['   Compiling x', 'error[E0308]: mismatched types'], 2],
  ['npm', ['npm warn deprecated', 'npm error code ERESOLVE'], 2],
  ['Python', ['test', 'Traceback (most recent call last):', 'ValueError: no'], 2],
  ['Go', ['ok', '--- FAIL: TestX', 'FAIL'], 2],
  ['TAP', ['ok 1', 'not ok 2 - sum'], 2],
  ['vitest', ['✓ a', ' FAIL  cart.test.ts', 'AssertionError: expected 1'], 3],
  ['a shell', ['+ mkae', 'sh: 1: mkae: not found'], 2],
  ['coloured output', ['fine', '\x1b[31merror\x1b[0m: boom'], 2],
  ['a surer one later', ['10 tests failed so far', 'main.c:1:1: error: x'], 2],
  ['none', ['all is well', '0 errors, no failures', 'Errors: 0'], null],
])('the first error of %s is found', (_, lines, found) => {
  expect(firstError(numbered(...lines))).toBe(found);
});
