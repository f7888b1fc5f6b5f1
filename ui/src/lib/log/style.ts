/**
 * A colour a program asked for: 0 to 255 is one of the terminal's palette, `TRUE_COLOUR + 0xrrggbb` one of its own. null is
 * the terminal's default.
 */
export type Colour = number | null;

export const TRUE_COLOUR = 0x1000000;

/** How a piece of text is written. Never changed once made: pieces with the same one are one piece. */
export interface Style {
  fg: Colour;
  bg: Colour;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  strike: boolean;
  /** Where it links to: only http and https. */
  href: string | null;
  /** The name of a character that must not act, such as one that turns the direction of writing. */
  control: boolean;
}

export const PLAIN: Style = Object.freeze({
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
  strike: false,
  href: null,
  control: false,
});

/** More in one sequence is not meant for people. xterm stops at 30. */
const MOST_PARAMETERS = 32;

/** The style after "select graphic rendition" (`CSI … m`) with these parameters; unknown ones change nothing. */
export function applySgr(style: Style, parameters: string): Style {
  const next = { ...style };
  const list = parameters.split(';', MOST_PARAMETERS);
  for (let at = 0; at < list.length; at += 1) {
    const [code = 0, ...details] = (list[at] ?? '').split(':').map(Number);
    if (code === 38 || code === 48 || code === 58) {
      const { colour, used } =
        details.length > 0 ? { colour: colourOfDetails(details), used: 0 } : colourOfList(list.slice(at + 1));
      at += used;
      if (colour !== null && code === 38) next.fg = colour;
      if (colour !== null && code === 48) next.bg = colour;
    } else applyCode(next, code, details);
  }
  return same(next, style) ? style : Object.freeze(next);
}

function applyCode(next: Style, code: number, [detail]: number[]): void {
  if (code === 0) Object.assign(next, { ...PLAIN, href: next.href });
  else if (code === 1) next.bold = true;
  else if (code === 2) next.dim = true;
  else if (code === 3) next.italic = true;
  else if (code === 4) next.underline = detail !== 0;
  else if (code === 7) next.inverse = true;
  else if (code === 9) next.strike = true;
  else if (code === 21) next.underline = true;
  else if (code === 22) next.bold = next.dim = false;
  else if (code === 23) next.italic = false;
  else if (code === 24) next.underline = false;
  else if (code === 27) next.inverse = false;
  else if (code === 29) next.strike = false;
  else if (code >= 30 && code <= 37) next.fg = code - 30;
  else if (code === 39) next.fg = null;
  else if (code >= 40 && code <= 47) next.bg = code - 40;
  else if (code === 49) next.bg = null;
  else if (code >= 90 && code <= 97) next.fg = code - 90 + 8;
  else if (code >= 100 && code <= 107) next.bg = code - 100 + 8;
}

/** `5;n` or `2;r;g;b`, and how many parameters that were. */
function colourOfList([kind, ...rest]: string[]): { colour: Colour; used: number } {
  const values = rest.slice(0, 3).map(Number);
  if (kind === '5') return { colour: palette(values[0]), used: Math.min(2, rest.length + 1) };
  if (kind === '2') return { colour: trueColour(values), used: Math.min(4, rest.length + 1) };
  return { colour: null, used: 0 };
}

/** `5:n`, `2:r:g:b` or `2:space:r:g:b`. */
function colourOfDetails([kind, ...values]: number[]): Colour {
  if (kind === 5) return palette(values[0]);
  if (kind === 2) return trueColour(values.length > 3 ? values.slice(1, 4) : values);
  return null;
}

function palette(value = -1): Colour {
  return isByte(value) ? value : null;
}

function trueColour([red = -1, green = -1, blue = -1]: number[]): Colour {
  if (!isByte(red) || !isByte(green) || !isByte(blue)) return null;
  return TRUE_COLOUR + red * 0x10000 + green * 0x100 + blue;
}

function isByte(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 255;
}

function same(one: Style, other: Style): boolean {
  return (Object.keys(PLAIN) as (keyof Style)[]).every((key) => one[key] === other[key]);
}
