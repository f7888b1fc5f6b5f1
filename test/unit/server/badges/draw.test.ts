import { drawBadge, escapeXml, type Verdict } from '@reprise/server/badges/draw.ts';
import { expect, test } from 'vitest';

test.each<[Verdict, string]>([
  ['passed', 'passed'],
  ['failed', 'failed'],
  ['errored', 'errored'],
  [null, 'no build'],
])('a badge of %s says "%s"', (verdict, word) => {
  const svg = drawBadge('shop main', verdict);
  expect(svg).toContain(`<title>shop main: ${word}</title>`);
  expect(svg).toContain(`>${word}</text>`);
});

test('a longer word makes a wider badge', () => {
  const width = (verdict: Verdict) => Number(/width="(\d+)"/.exec(drawBadge('', verdict))?.[1]);
  expect(width('errored')).toBeGreaterThan(width('failed'));
});

test.each([
  ['<img onerror="x">', '&#60;img onerror=&#34;x&#34;&#62;'],
  ["a&b'c", 'a&#38;b&#39;c'],
  ['a\0b\x1bc\ufffe', 'a\ufffdb\ufffdc\ufffd'],
  ['\ud83d alone', '\ufffd alone'],
  ['😀 ünï', '😀 ünï'],
])('%j is text and nothing else in a badge', (text, escaped) => {
  expect(escapeXml(text)).toBe(escaped);
  expect(drawBadge(text, 'passed')).toContain(`<title>${escaped}: passed</title>`);
});
