import type { Span } from './line-buffer.ts';

/** A piece of a line as it is drawn: `match` where it holds what is searched. */
export interface Piece extends Span {
  match: boolean;
}

/** Cuts a line's pieces where what is searched begins and ends, whatever its case. */
export function highlight(spans: readonly Span[], wanted: string): Piece[] {
  if (wanted === '') return spans.map((span) => ({ ...span, match: false }));
  const places = findAll(spans.map(({ text }) => text).join(''), wanted);
  const pieces: Piece[] = [];
  let start = 0;
  let next = 0;
  for (const { text, style } of spans) {
    const end = start + text.length;
    for (let at = start; at < end; ) {
      while (next < places.length && (places[next]?.end ?? 0) <= at) next += 1;
      const place = places[next];
      const match = place !== undefined && place.start <= at;
      const until = Math.min(end, match ? place.end : (place?.start ?? end));
      pieces.push({ text: text.slice(at - start, until - start), style, match });
      at = until;
    }
    start = end;
  }
  return pieces;
}

function findAll(text: string, wanted: string): { start: number; end: number }[] {
  const lower = text.toLowerCase();
  // A few letters become two in lower case: then places would be off, and only the exact text is found.
  const [inside, looked] = lower.length === text.length ? [lower, wanted.toLowerCase()] : [text, wanted];
  const places: { start: number; end: number }[] = [];
  for (let at = inside.indexOf(looked); at !== -1; at = inside.indexOf(looked, at + looked.length))
    places.push({ start: at, end: at + looked.length });
  return places;
}
