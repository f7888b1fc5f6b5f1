import { readFileSync } from 'node:fs';
import { contrast, GROUNDS, paint, type Rgb } from '@reprise/ui/log/paint.ts';
import { PLAIN, type Style, TRUE_COLOUR } from '@reprise/ui/log/style.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const styles = (name: string) =>
  readFileSync(new URL(`../../../../ui/src/lib/${name}`, import.meta.url), 'utf8');
const tokens = styles('styles/tokens.css') + styles('log/ansi.css');
const style = (given: Partial<Style>): Style => ({ ...PLAIN, ...given });

/** Both values of `--name: light-dark(#…, #…)`. */
function token(name: string): [light: Rgb, dark: Rgb] {
  const [, light = '', dark = ''] =
    new RegExp(`--${name}: light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\)`).exec(tokens) ?? [];
  return [rgb(light), rgb(dark)];
}

function rgb(hex: string): Rgb {
  const [red = -1, green = -1, blue = -1] = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  return [red, green, blue];
}

/** Colours of `rgb(r g b)`, in order. */
function coloursIn(css: string): Rgb[] {
  return [...css.matchAll(/rgb\((\d+) (\d+) (\d+)\)/g)].map(([, r, g, b]) => [
    Number(r),
    Number(g),
    Number(b),
  ]);
}

test('the grounds that colours are made readable on are those of the page', () => {
  expect(token('log-selected')).toEqual([GROUNDS.light, GROUNDS.dark]);
});

test.each(Array.from({ length: 16 }, (_, at) => at))('ansi colour %i is readable in both themes', (at) => {
  token(`ansi-${at}`).forEach((colour, theme) => {
    for (const ground of ['log-bg', 'log-selected'])
      expect(contrast(colour, token(ground)[theme] ?? [0, 0, 0]), ground).toBeGreaterThanOrEqual(4.5);
  });
});

test('the sixteen colours are classes', () => {
  expect(paint(style({ fg: 1, bold: true }))).toEqual({
    classes: 'fg-1 ansi-bold',
    color: null,
    background: null,
  });
  expect(paint(style({ bg: 9, inverse: false })).classes).toBe('bg-9');
  expect(paint(style({ fg: 2, inverse: true })).classes).toBe('bg-2');
  expect(paint(style({ inverse: true })).classes).toBe('ansi-inverse');
});

test('any other colour is readable in both themes', () => {
  const colour = fc.oneof(
    fc.integer({ min: 16, max: 255 }),
    fc.integer({ min: TRUE_COLOUR, max: TRUE_COLOUR + 0xffffff }),
  );
  fc.assert(
    fc.property(colour, (fg) => {
      const [light, dark] = coloursIn(paint(style({ fg })).color ?? '');
      expect(contrast(light ?? [0, 0, 0], GROUNDS.light)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(dark ?? [0, 0, 0], GROUNDS.dark)).toBeGreaterThanOrEqual(4.5);
    }),
  );
});

test('text on any ground is readable, and hidden by no colour', () => {
  const colour = fc.option(
    fc.oneof(fc.integer({ min: 0, max: 255 }), fc.integer({ min: TRUE_COLOUR, max: TRUE_COLOUR + 0xffffff })),
  );
  const ground = fc.oneof(
    fc.integer({ min: 16, max: 255 }),
    fc.integer({ min: TRUE_COLOUR, max: TRUE_COLOUR + 0xffffff }),
  );
  fc.assert(
    fc.property(colour, ground, fc.boolean(), (fg, bg, inverse) => {
      const painted = paint(style(inverse ? { fg: bg, bg: fg, inverse } : { fg, bg }));
      const [text, behind] = coloursIn(`${painted.color} ${painted.background}`);
      expect(contrast(text ?? [0, 0, 0], behind ?? [0, 0, 0])).toBeGreaterThanOrEqual(4.5);
    }),
  );
});

test('a colour that can be read stays what it is', () => {
  expect(coloursIn(paint(style({ fg: TRUE_COLOUR + 0x004000 })).color ?? '')[0]).toEqual([0, 64, 0]);
});
