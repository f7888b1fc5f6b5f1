/** Anything in a list that is shown newest first. */
interface Numbered {
  number: number;
}

/** The rows to show, and how many new ones wait above them. */
export interface Held<Row> {
  rows: readonly Row[];
  waiting: number;
}

/**
 * Newer rows for a list that somebody points at: what is shown is brought up to date where it stands, what is new waits, and
 * what only fell off the end stays, so that nothing moves. A row the answer no longer has for another reason (it ended, and only
 * running ones are asked for) goes. `shown` is what stood there, `fetched` what was answered, both newest first.
 */
export function hold<Row extends Numbered>(shown: readonly Row[], fetched: readonly Row[]): Held<Row> {
  const newest = shown[0]?.number;
  if (newest === undefined) return { rows: fetched, waiting: 0 };
  const byNumber = new Map(fetched.map((row) => [row.number, row]));
  const oldest = fetched.at(-1)?.number ?? Number.NEGATIVE_INFINITY;
  const rows = shown.flatMap((row) => byNumber.get(row.number) ?? (row.number < oldest ? [row] : []));
  return { rows, waiting: fetched.filter(({ number }) => number > newest).length };
}
