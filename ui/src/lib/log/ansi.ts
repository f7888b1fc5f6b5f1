import { LineBuffer, type Span } from './line-buffer.ts';
import { applySgr, PLAIN, type Style } from './style.ts';

/** A line as it is shown, and the style the next line begins with. */
export interface ParsedLine {
  spans: Span[];
  after: Style;
}

/** What must not reach the page as it is: C0 but tab, DEL, C1, what turns writing around, what breaks a line. */
const SPECIAL = /[\0-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
/** Parameters, intermediates, and the letter that says what it does; without one it is malformed. */
const CSI = /([0-?]*)([ -/]*)([@-~]?)/y;
/** A string that a terminal keeps from the screen, to its end. Nothing that is not ended soon is taken for one. */
const STRING = /([^\x07\x18\x1a\x1b\x80-\x9f]{0,4096})(?:\x07|\x1b\\|\x9c)/y;
const ESCAPE = /[ -/]*[0-~]?/y;
/** Longer addresses are cut by browsers and proxies. */
const LONGEST_LINK = 2048;
const CHANGES_STYLE = /[\x1b\x9b]/;

/**
 * One line of output as pieces of text with their style: colours and links are kept, carriage returns and backspaces overwrite
 * as in a terminal, all other sequences are dropped, and characters that would act on the page are shown by a picture or
 * their name. `text` has no newline. Time grows with the text only, whatever is in it. A link ends with its line.
 */
export function parseLine(text: string, before: Style = PLAIN): ParsedLine {
  const line = new LineBuffer();
  let style = before.href === null ? before : { ...before, href: null };
  let at = 0;
  SPECIAL.lastIndex = 0;
  for (let found = SPECIAL.exec(text); found !== null; found = SPECIAL.exec(text)) {
    line.write(text.slice(at, found.index), style);
    const sequence = readSequence(text, found.index);
    at = sequence.end;
    SPECIAL.lastIndex = at;
    if (sequence.kind === 'style') style = applySgr(style, sequence.parameters);
    else if (sequence.kind === 'link') style = linked(style, sequence.address);
    else if (sequence.kind === 'return') line.carriageReturn();
    else if (sequence.kind === 'back') line.backspace();
    else if (sequence.kind === 'erase') {
      if (sequence.all) line.eraseAll();
      else line.eraseToEnd();
    } else if (sequence.kind === 'show') line.write(sequence.text, sequence.named ? CONTROL : style);
  }
  line.write(text.slice(at), style);
  return { spans: line.spans(), after: style.href === null ? style : { ...style, href: null } };
}

/** The style after a line of which only that is asked: free where the line has no sequence. */
export function styleAfter(text: string, before: Style): Style {
  return CHANGES_STYLE.test(text) ? parseLine(text, before).after : before;
}

/** What is read of a line. */
export function plainText(text: string): string {
  return parseLine(text)
    .spans.map((span) => span.text)
    .join('');
}

const CONTROL: Style = Object.freeze({ ...PLAIN, control: true });

type Sequence = { end: number } & (
  | { kind: 'style'; parameters: string }
  | { kind: 'link'; address: string | null }
  | { kind: 'return' | 'back' | 'nothing' }
  | { kind: 'erase'; all: boolean }
  | { kind: 'show'; text: string; named: boolean }
);

function readSequence(text: string, start: number): Sequence {
  const code = text.charCodeAt(start);
  const end = start + 1;
  if (code === 0x1b) return readEscape(text, end);
  if (code === 0x0d) return { kind: 'return', end };
  if (code === 0x08) return { kind: 'back', end };
  if (code === 0x07) return { kind: 'nothing', end };
  if (code < 0x20) return { kind: 'show', text: String.fromCharCode(0x2400 + code), named: false, end };
  if (code === 0x7f) return { kind: 'show', text: '\u2421', named: false, end };
  if (code === 0x9b) return readCsi(text, end);
  if (code < 0xa0)
    return isString(code - 0x40) ? readString(text, end, code - 0x40) : { kind: 'nothing', end };
  const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  return { kind: 'show', text: name, named: true, end };
}

function readEscape(text: string, at: number): Sequence {
  const code = text.charCodeAt(at);
  if (code === 0x5b) return readCsi(text, at + 1);
  if (isString(code)) return readString(text, at + 1, code);
  ESCAPE.lastIndex = at;
  ESCAPE.test(text);
  return { kind: 'nothing', end: ESCAPE.lastIndex };
}

function readCsi(text: string, at: number): Sequence {
  CSI.lastIndex = at;
  const [, parameters = '', intermediates = '', letter = ''] = CSI.exec(text) ?? [];
  const end = CSI.lastIndex;
  if (intermediates !== '' || /[<-?]/.test(parameters)) return { kind: 'nothing', end };
  if (letter === 'm') return { kind: 'style', parameters, end };
  if (letter === 'K' && /^[02]?$/.test(parameters)) return { kind: 'erase', all: parameters === '2', end };
  return { kind: 'nothing', end };
}

/** OSC, DCS, SOS, PM and APC, by the letter after the escape. Of one without an end only the beginning is dropped. */
function readString(text: string, at: number, code: number): Sequence {
  STRING.lastIndex = at;
  const found = STRING.exec(text);
  if (!found) return { kind: 'nothing', end: at };
  const end = STRING.lastIndex;
  const link = code === OSC ? /^8;[^;]*;(.*)$/s.exec(found[1] ?? '') : null;
  return link ? { kind: 'link', address: safeAddress(link[1] ?? ''), end } : { kind: 'nothing', end };
}

const OSC = 0x5d;

function isString(code: number): boolean {
  return code === OSC || code === 0x50 || code === 0x58 || code === 0x5e || code === 0x5f;
}

function linked(style: Style, href: string | null): Style {
  return style.href === href ? style : Object.freeze({ ...style, href });
}

/** null: no link, or one that leads where no log should lead. */
function safeAddress(address: string): string | null {
  if (!/^https?:\/\//i.test(address) || address.length > LONGEST_LINK || !URL.canParse(address)) return null;
  const { protocol, href } = new URL(address);
  return protocol === 'http:' || protocol === 'https:' ? href : null;
}
