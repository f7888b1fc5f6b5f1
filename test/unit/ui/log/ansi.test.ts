import { parseLine, plainText, styleAfter } from '@reprise/ui/log/ansi.ts';
import { PLAIN, type Style, TRUE_COLOUR } from '@reprise/ui/log/style.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOSTILE_LINES } from '../../../rig/hostile-texts.ts';

const ESC = '\x1b';

/** Pieces as `[text, what differs from plain]`. */
function pieces(text: string, before?: Style): [string, Partial<Style>][] {
  return parseLine(text, before).spans.map(({ text, style }) => [text, difference(style)]);
}

function difference(style: Style): Partial<Style> {
  return Object.fromEntries(
    Object.entries(style).filter(([key, value]) => value !== PLAIN[key as keyof Style]),
  );
}

describe('colours and writing', () => {
  test.each<[string, Partial<Style>]>([
    ['1', { bold: true }],
    ['2', { dim: true }],
    ['3', { italic: true }],
    ['4', { underline: true }],
    ['4:3', { underline: true }],
    ['4:0', {}],
    ['21', { underline: true }],
    ['7', { inverse: true }],
    ['9', { strike: true }],
    ['30', { fg: 0 }],
    ['37', { fg: 7 }],
    ['90', { fg: 8 }],
    ['97', { fg: 15 }],
    ['41', { bg: 1 }],
    ['107', { bg: 15 }],
    ['1;31;44', { bold: true, fg: 1, bg: 4 }],
    ['31;39', {}],
    ['41;49', {}],
    ['1;2;22', {}],
    ['3;4;7;9;23;24;27;29', {}],
    ['31;0', {}],
    ['31;', {}],
    ['38;5;196', { fg: 196 }],
    ['48;5;3', { bg: 3 }],
    ['38:5:196', { fg: 196 }],
    ['38;2;1;2;3', { fg: TRUE_COLOUR + 0x010203 }],
    ['48:2:1:2:3', { bg: TRUE_COLOUR + 0x010203 }],
    ['38:2:0:1:2:3', { fg: TRUE_COLOUR + 0x010203 }],
    ['38;5;196;1', { fg: 196, bold: true }],
    ['58;5;9;1', { bold: true }],
    ['38;5;256', {}],
    ['38;2;1;2;300', {}],
    ['38;5', {}],
    ['38', {}],
    ['8', {}],
    ['5', {}],
    ['999', {}],
  ])('CSI %s m', (parameters, style) => {
    expect(pieces(`${ESC}[${parameters}mtext`)).toEqual([['text', style]]);
  });

  test('a piece ends where its style does', () => {
    expect(pieces(`a${ESC}[31mb${ESC}[mc`)).toEqual([
      ['a', {}],
      ['b', { fg: 1 }],
      ['c', {}],
    ]);
  });

  test('a sequence that changes nothing parts nothing', () => {
    expect(pieces(`a${ESC}[0mb${ESC}[39mc`)).toEqual([['abc', {}]]);
  });

  test('a style that was left on goes on in the next line', () => {
    const { after } = parseLine(`${ESC}[1;32mstart`);
    expect(pieces('next', after)).toEqual([['next', { bold: true, fg: 2 }]]);
    expect(styleAfter('no sequence', after)).toBe(after);
    expect(styleAfter(`${ESC}[0m`, after)).toEqual(PLAIN);
  });
});

describe('links', () => {
  const link = (address: string, text: string, end = `${ESC}\\`) =>
    `${ESC}]8;id=1;${address}${end}${text}${ESC}]8;;${end}`;

  test.each([`${ESC}\\`, '\x07', '\u009c'])('to http and https are kept', (end) => {
    expect(pieces(`${link('https://example.com/a', 'here', end)} there`)).toEqual([
      ['here', { href: 'https://example.com/a' }],
      [' there', {}],
    ]);
  });

  test.each([
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'vbscript:x',
    '//evil.example',
    '/relative',
    'https://',
    'http://[',
    `https://example.com/${'x'.repeat(3000)}`,
    '',
  ])('to %s are text', (address) => {
    expect(pieces(link(address, 'text'))).toEqual([['text', {}]]);
  });

  test('keep no character that could leave their attribute', () => {
    const [[, { href = '' }] = ['', {}]] = pieces(link('https://example.com/"><script>', 'x'));
    expect(href).toBe('https://example.com/%22%3E%3Cscript%3E');
  });

  test('end with their line', () => {
    const { spans, after } = parseLine(`${ESC}]8;;https://example.com/${ESC}\\open`);
    expect(spans[0]?.style.href).toBe('https://example.com/');
    expect(after.href).toBeNull();
  });
});

describe('what moves the cursor', () => {
  test.each([
    ['a carriage return overwrites', 'abcdef\rxy', 'xycdef'],
    ['a progress bar shows its last state', ' 10%\r 50%\r100%', '100%'],
    ['a line that ends in one shows what it has', 'text\r', 'text'],
    ['several at the end do too', 'text\r\r', 'text'],
    ['a backspace overwrites', 'ab\bc', 'ac'],
    ['a backspace does not leave the line', 'a\b\b\b\bxy', 'xy'],
    ['a line is erased to its end', `abcdef\rxy${ESC}[K`, 'xy'],
    ['a whole line is erased', `abcdef\r${ESC}[2Kxy`, 'xy'],
    ['nothing is erased at the end', `abc${ESC}[Kdef`, 'abcdef'],
    ['an emoji is one column', '👩abc\rx', 'xabc'],
    ['a mark stays on its letter', 'ae\u0301b\rxy', 'xyb'],
  ])('%s', (_, text, shown) => {
    expect(plainText(text)).toBe(shown);
  });

  test('what is overwritten takes its style along', () => {
    expect(pieces(`${ESC}[31mabcd\r${ESC}[32mxy`)).toEqual([
      ['xy', { fg: 2 }],
      ['cd', { fg: 1 }],
    ]);
  });
});

describe('what is dropped or shown by name', () => {
  test.each([
    ['cursor movements', `a${ESC}[2Jb${ESC}[10;10Hc${ESC}[?25ld${ESC}[1Ae`, 'abcde'],
    ['private and odd sequences that end like colours', `a${ESC}[>4;2mb${ESC}[?1mc${ESC}[1 md`, 'abcd'],
    ['character sets and short escapes', `a${ESC}(Bb${ESC}7c${ESC}=d`, 'abcd'],
    ['titles and the clipboard', `a${ESC}]0;title\x07b${ESC}]52;c;AAAA${ESC}\\c`, 'abc'],
    [
      'strings for the terminal',
      `a${ESC}Pq#0${ESC}\\b${ESC}_x${ESC}\\c${ESC}^y${ESC}\\d${ESC}Xz${ESC}\\e`,
      'abcde',
    ],
    ['the same in one character', 'a\u009b1mb\u009d0;t\u009cc\u0090q\u009cd\u0085e', 'abcde'],
    ['a sequence without an end', `a${ESC}[31`, 'a'],
    ['an escape alone', `a${ESC}`, 'a'],
    ['an escape before another', `a${ESC}${ESC}[1mb`, 'ab'],
    ['a bell', 'a\x07b', 'ab'],
    ['the beginning of a string that never ends, not its text', `a${ESC}]0;text`, 'a0;text'],
  ])('%s', (_, text, shown) => {
    expect(plainText(text)).toBe(shown);
  });

  test('controls are shown by their picture', () => {
    expect(plainText('a\0b\x01c\x7f')).toBe('a␀b␁c␡');
  });

  test('what turns or breaks lines is shown by its name, apart from the text', () => {
    expect(pieces('a\u202eb\u2028c')).toEqual([
      ['a', {}],
      ['U+202E', { control: true }],
      ['b', {}],
      ['U+2028', { control: true }],
      ['c', {}],
    ]);
  });

  test('tabs stay', () => {
    expect(plainText('a\tb')).toBe('a\tb');
  });

  test('at most eight marks are on one letter', () => {
    expect(plainText(`a${'\u0301'.repeat(1000)}b`)).toBe(`a${'\u0301'.repeat(8)}b`);
    expect(plainText(`x\ra${'\u0301'.repeat(1000)}b`).length).toBeLessThan(20);
  });
});

/** Nothing of this may ever be in a text that is shown. */
const ACTS = /[\0-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

test.each(HOSTILE_LINES)('%s acts on nothing', (_, text) => {
  const { spans } = parseLine(text);
  for (const span of spans) {
    expect(span.text).not.toMatch(ACTS);
    if (span.style.href !== null) expect(span.style.href).toMatch(/^https?:\/\//);
  }
});

test('any text is parsed, and nothing in it acts', () => {
  const parts = fc.constantFrom(
    ESC,
    '[',
    ']',
    'm',
    '8;;',
    '31',
    ';',
    ':',
    '\x07',
    '\\',
    '\r',
    '\b',
    '\u009b',
    'é',
    '\u202e',
    'K',
    'a',
  );
  const text = fc.oneof(
    fc.array(parts, { maxLength: 60 }).map((list) => list.join('')),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(text, (given) => {
      expect(plainText(given.replaceAll('\n', ''))).not.toMatch(ACTS);
    }),
    { numRuns: 2000 },
  );
});

test('the time taken grows with the text only', () => {
  const floods = [
    `${ESC}]`,
    `${ESC}]x`,
    '\u009d',
    `${ESC}[`,
    `${ESC}[1`,
    `${ESC}P`,
    'a\r',
    'ab\b',
    `\r${ESC}[K`,
    `${ESC}[2K`,
    'e\u0301\r',
    `${ESC}[38;2;1;2;3mx`,
  ];
  for (const flood of floods) {
    const [short, long] = [20_000, 200_000].map((length) => {
      const text = flood.repeat(Math.ceil(length / flood.length));
      return Math.min(...Array.from({ length: 3 }, () => cpuMs(() => parseLine(text))));
    });
    // Ten times the text; quadratic time would be a hundred times as long, and some hundred milliseconds.
    expect(long, JSON.stringify(flood)).toBeLessThan(40 * Math.max(4, short ?? 0));
  }
});

/** What it costs this process, however busy the machine is. */
function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
