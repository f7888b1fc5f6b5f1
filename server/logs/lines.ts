import { countNewlines, type IndexRecord, SEGMENT } from './line-index.ts';
import type { LogContent } from './log-content.ts';

/** A line of a log; `offset` is that of its first byte, `length` its bytes without the newline. */
export interface LogLine {
  /** Counts from 1. */
  number: number;
  offset: number;
  length: number;
  /** When its first byte arrived, ms since 1970. */
  at: number;
  /** Decoded; at most `LINE_CUT` bytes of it, the rest is to be had by the log's bytes. */
  text: string;
}

export interface Lines {
  lines: LogLine[];
  total: number;
}

/** `from` counts from 1, or from the end where it is negative: -1 is the last line. */
export interface LineQuery {
  from: number;
  count: number;
}

/** More of one line is of no use on a screen. */
export const LINE_CUT = 16 * 1024;

/** An answer holds at most this much text; the next one continues. */
const ANSWER_BYTES = 4 * 1024 * 1024;

export async function readLines(log: LogContent, { from, count }: LineQuery): Promise<Lines> {
  const view = viewOf(log);
  const first = from < 0 ? Math.max(1, view.total + 1 + from) : Math.max(1, from);
  const last = Math.min(view.total, first + count - 1);
  const lines: LogLine[] = [];
  let offset = first <= last ? await offsetOfLine(view, first) : 0;
  let bytes = 0;
  for (let number = first; number <= last && bytes < ANSWER_BYTES; number += 1) {
    const line = await readLine(view, number, offset);
    lines.push({ number, offset, at: await view.times(offset), length: line.length, text: line.text });
    bytes += line.text.length;
    offset = line.next;
  }
  return { lines, total: view.total };
}

export async function lineAt(log: LogContent, offset: number): Promise<number> {
  const view = viewOf(log);
  const place = Math.min(offset, view.size);
  const [record] = await log.records('offset', place, 1);
  const start = record?.offset ?? 0;
  const before = (record?.newlines ?? 0) + (await countBetween(view, start, place));
  return Math.max(1, Math.min(view.total, before + 1));
}

/** What is true of a log at one moment, while it grows on. */
interface View {
  log: LogContent;
  size: number;
  newlines: number;
  total: number;
  /** The window of the log read last. */
  window: { start: number; bytes: Buffer };
  times(offset: number): Promise<number>;
}

function viewOf(log: LogContent): View {
  const { size, newlines, lines: total } = log;
  const window = { start: 0, bytes: Buffer.alloc(0) };
  return { log, size, newlines, total, window, times: timesOf(log) };
}

/** Where line `number` begins; for one past the last, where the log ends. */
async function offsetOfLine(view: View, number: number): Promise<number> {
  if (number <= 1) return 0;
  const { log, size } = view;
  const [record] = await log.records('newlines', number - 2, 1);
  if (!record) return size;
  let missing = number - 1 - record.newlines;
  for (let start = record.offset; start < size; ) {
    const bytes = await readWindow(view, start);
    if (bytes.length === 0) break;
    for (let newline = bytes.indexOf(10); newline !== -1; newline = bytes.indexOf(10, newline + 1)) {
      missing -= 1;
      if (missing === 0) return start + newline + 1;
    }
    start += bytes.length;
  }
  return size;
}

async function readLine(view: View, number: number, offset: number) {
  const bytes = await readWindow(view, offset);
  const newline = bytes.indexOf(10);
  if (newline !== -1) {
    return { next: offset + newline + 1, length: newline, text: decode(bytes.subarray(0, newline)) };
  }
  const next = await offsetOfLine(view, number + 1);
  const length = next - offset - (number <= view.newlines ? 1 : 0);
  return { next, length, text: decode(bytes.subarray(0, length)) };
}

/** Bytes from `start` on: at least `LINE_CUT` of them unless the log ends; none only at its end. */
async function readWindow(view: View, start: number): Promise<Buffer> {
  const { window, size, log } = view;
  const held = start - window.start;
  const left = window.bytes.length - held;
  if (held >= 0 && (left > LINE_CUT || (left > 0 && window.start + window.bytes.length >= size)))
    return window.bytes.subarray(held);
  const bytes = Buffer.allocUnsafe(Math.min(SEGMENT, Math.max(0, size - start)));
  const read = bytes.length === 0 ? 0 : await log.readInto(bytes, start);
  view.window = { start, bytes: bytes.subarray(0, read) };
  return view.window.bytes;
}

async function countBetween(view: View, start: number, end: number): Promise<number> {
  let count = 0;
  for (let at = start; at < end; ) {
    const bytes = (await readWindow(view, at)).subarray(0, end - at);
    if (bytes.length === 0) break;
    count += countNewlines(bytes);
    at += bytes.length;
  }
  return count;
}

/** Looks up when bytes arrived; cheap for one place after the other. */
function timesOf(log: LogContent): (offset: number) => Promise<number> {
  const PAGE = 512;
  let page: IndexRecord[] = [];
  let number = 0;
  return async (offset) => {
    const covers = (index: number) => {
      const record = page[index];
      const next = page[index + 1];
      return record && record.offset <= offset && (next ? next.offset > offset : page.length < PAGE);
    };
    while (number + 1 < page.length && (page[number + 1]?.offset ?? 0) <= offset) number += 1;
    if (!covers(number)) {
      page = await log.records('offset', offset, PAGE);
      number = 0;
    }
    return page[number]?.at ?? 0;
  };
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Cuts, without leaving half a character, and decodes; what is not UTF-8 becomes U+FFFD. */
function decode(bytes: Buffer): string {
  if (bytes.length <= LINE_CUT) return decoder.decode(bytes);
  let end = LINE_CUT;
  while (end > LINE_CUT - 4 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return decoder.decode(bytes.subarray(0, end));
}
