import { type Colour, type Style, TRUE_COLOUR } from './style.ts';

/** How a piece of text is drawn: by classes of ansi.css, and by colours where a program chose its own. */
export interface Paint {
  classes: string;
  color: string | null;
  background: string | null;
}

export type Rgb = readonly [red: number, green: number, blue: number];

/** The darkest and lightest grounds a line has in each theme: `--log-selected`. What is readable there is so on `--log-bg`. */
export const GROUNDS: { light: Rgb; dark: Rgb } = { light: [255, 246, 209], dark: [51, 48, 15] };

/** WCAG AA for text of this size. */
const ENOUGH = 4.5;
const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];

/**
 * What draws this style in both themes. Text is always readable: a colour of a program's own is brought nearer to the text's
 * until it is; on a coloured ground that does not suit it, text is black or white. Nothing can be hidden by its colour.
 */
export function paint(style: Style): Paint {
  const { fg, bg } = style.inverse ? { fg: style.bg, bg: style.fg } : style;
  const classes = classesOf(style, fg, bg);
  if (bg !== null && bg >= 16) {
    const ground = rgbOf(bg);
    const wanted = fg !== null && fg >= 16 ? rgbOf(fg) : null;
    const text = wanted && contrast(wanted, ground) >= ENOUGH ? wanted : opposite(ground);
    return { classes, color: css(text), background: css(ground) };
  }
  if (bg !== null || fg === null || fg < 16 || style.inverse)
    return { classes, color: null, background: null };
  const colour = rgbOf(fg);
  const light = css(readable(colour, GROUNDS.light));
  const dark = css(readable(colour, GROUNDS.dark));
  return { classes, color: `light-dark(${light}, ${dark})`, background: null };
}

function classesOf(style: Style, fg: Colour, bg: Colour): string {
  const classes: string[] = [];
  if (style.control) classes.push('ansi-control');
  if (fg !== null && fg < 16) classes.push(`fg-${fg}`);
  if (bg !== null && bg < 16) classes.push(`bg-${bg}`);
  if (bg === null && style.inverse) classes.push('ansi-inverse');
  if (style.dim && fg === null && bg === null && !style.inverse) classes.push('ansi-dim');
  if (style.bold) classes.push('ansi-bold');
  if (style.italic) classes.push('ansi-italic');
  if (style.underline) classes.push('ansi-underline');
  if (style.strike) classes.push('ansi-strike');
  return classes.join(' ');
}

/** Levels of xterm's cube of 216 colours. */
const LEVELS = [0, 95, 135, 175, 215, 255];

/** A colour from 16 on: xterm's cube, its greys, or a true colour. */
function rgbOf(colour: number): Rgb {
  if (colour >= TRUE_COLOUR) return [(colour >> 16) & 0xff, (colour >> 8) & 0xff, colour & 0xff];
  if (colour >= 232) return grey(8 + 10 * (colour - 232));
  const place = colour - 16;
  const level = (at: number) => LEVELS[at] ?? 0;
  return [level(Math.floor(place / 36)), level(Math.floor(place / 6) % 6), level(place % 6)];
}

function grey(level: number): Rgb {
  return [level, level, level];
}

/** The colour itself where it can be read on the ground, else the nearest mix with black or white that can. */
function readable(colour: Rgb, ground: Rgb): Rgb {
  const end = opposite(ground);
  for (let part = 0; part < 1; part += 0.05) {
    const mixed = colour.map((value, at) => Math.round(value + ((end[at] ?? 0) - value) * part));
    const [red = 0, green = 0, blue = 0] = mixed;
    if (contrast([red, green, blue], ground) >= ENOUGH) return [red, green, blue];
  }
  return end;
}

/** Black or white, whichever is easier to read: at least 4.58:1 on any colour. */
function opposite(ground: Rgb): Rgb {
  return contrast(BLACK, ground) >= contrast(WHITE, ground) ? BLACK : WHITE;
}

/** The ratio of WCAG 2.2, 1 to 21. */
export function contrast(one: Rgb, other: Rgb): number {
  const [lighter, darker] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance([red, green, blue]: Rgb): number {
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

function linear(value: number): number {
  const part = value / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}

function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}
