import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { type ByteRange, parseRange } from './byte-range.ts';
import { Refusal } from './refusal.ts';
import { STREAMED } from './route.ts';

/** Content that a browser must neither run nor guess at, whatever it holds (threats T7). */
export const INERT_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "sandbox; default-src 'none'",
};

export interface SentContent {
  /** Bytes of the whole. */
  size: number;
  headers: Record<string, string>;
  /** A strong entity tag, quotes included, where the content never changes under it. */
  etag?: string;
  /** Not called where no byte is sent. */
  open(range: ByteRange): Promise<Readable> | Readable;
}

/**
 * Answers GET and HEAD with content or the one range of it that was asked for, at the client's pace: 200, 206, 304 or 416. A
 * client that goes away ends the reading and nothing else.
 */
export async function sendBytes(
  { request, response }: { request: Request; response: Response },
  { size, headers, etag, open }: SentContent,
): Promise<typeof STREAMED> {
  const all = { ...headers, ...INERT_HEADERS, 'Accept-Ranges': 'bytes', ...(etag && { ETag: etag }) };
  if (etag && matches(request.get('If-None-Match'), etag)) {
    response.status(304).set(all).end();
    return STREAMED;
  }
  const range = askedFor(request, size, etag);
  if (range === 'unsatisfiable') {
    response.set('Content-Range', `bytes */${size}`);
    const sentence = `There are ${size} bytes; none of the range asked for.`;
    throw new Refusal(416, 'range-not-satisfiable', sentence, { size });
  }
  const { start, end } = range ?? { start: 0, end: size };
  // Opened before a header is set: what cannot be opened is a problem answer with none of these.
  const stream = request.method === 'HEAD' || start === end ? null : await open({ start, end });
  response.set({ ...all, 'Content-Length': String(end - start) });
  if (range) response.status(206).set('Content-Range', `bytes ${start}-${end - 1}/${size}`);
  if (stream) await sendAll(exactly(stream, end - start), response);
  else response.end();
  return STREAMED;
}

/** Sends everything at the client's pace and ends the answer. That the client goes away is no fault. */
export async function sendAll(content: AsyncIterable<Buffer | string>, response: Response): Promise<void> {
  try {
    await pipeline(content, response);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}

/** `If-Range` makes a range conditional: of content that is no longer the same, the whole is sent. */
function askedFor(request: Request, size: number, etag: string | undefined): ReturnType<typeof parseRange> {
  const condition = request.get('If-Range');
  if (condition !== undefined && condition !== etag) return null;
  return parseRange(request.get('Range'), size);
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

/** A client that was promised more than came would wait for the rest: the connection is cut instead. */
async function* exactly(stream: AsyncIterable<Buffer>, length: number): AsyncGenerator<Buffer> {
  let left = length;
  for await (const bytes of stream) {
    left -= bytes.length;
    yield bytes;
  }
  if (left > 0) throw new Error(`The last ${left} of ${length} bytes were gone when they were to be sent.`);
}
