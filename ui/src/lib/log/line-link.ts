/** Lines that a link points at; one line where both are the same. */
export interface LineRange {
  first: number;
  last: number;
}

/** Reads `#L12` and `#L12-L20`; null: the hash is about something else. */
export function parseLineLink(hash: string): LineRange | null {
  const [, one, other] = /^#L(\d{1,15})(?:-L?(\d{1,15}))?$/.exec(hash) ?? [];
  if (one === undefined) return null;
  const lines = [Number(one), Number(other ?? one)].map((line) => Math.max(1, line));
  return { first: Math.min(...lines), last: Math.max(...lines) };
}

export function lineLink({ first, last }: LineRange): string {
  return first === last ? `#L${first}` : `#L${first}-L${last}`;
}

/** The range from the line chosen before to this one, or only this one. */
export function extend(range: LineRange | null, anchor: number | null, line: number): LineRange {
  if (!range || anchor === null) return { first: line, last: line };
  return { first: Math.min(anchor, line), last: Math.max(anchor, line) };
}
