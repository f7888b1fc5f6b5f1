import { cutText, TEXT_LIMIT } from '@reprise/server/webhooks/cut-text.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

test('a text that fits is the same text', () => {
  for (const text of ['', 'a', 'é'.repeat(TEXT_LIMIT / 2), 'x'.repeat(TEXT_LIMIT)])
    expect(cutText(text)).toBe(text);
});

test('a longer text keeps as many whole characters as fit', () => {
  const character = fc.constantFrom('x', 'é', '€', '😀', '\u0000');
  const property = fc.property(character, fc.integer({ min: 0, max: 3 }), (filler, ahead) => {
    const text = 'a'.repeat(ahead) + filler.repeat(TEXT_LIMIT);
    const kept = cutText(text);
    expect(text.startsWith(kept)).toBe(true);
    expect(kept.isWellFormed()).toBe(true);
    expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(TEXT_LIMIT);
    expect(Buffer.byteLength(kept)).toBeGreaterThan(TEXT_LIMIT - 4);
  });
  fc.assert(property);
});
