/**
 * The side index of a log: where lines are and when they came, in records of 24 bytes, each three little-endian doubles:
 *
 *     offset    a place in the log, bytes; strictly increasing
 *     newlines  how many newlines come before it
 *     at        when the bytes from here to the next record arrived, ms since 1970
 *
 * There is a record for each append and at least one for every `SEGMENT` bytes, so any line is found by a binary search
 * and one short scan, however long the log. The index holds nothing that the log does not, but for the times.
 */
export interface IndexRecord {
  offset: number;
  newlines: number;
  at: number;
}

export const RECORD = 24;

/** What is scanned at most to find a line: a tenth of a millisecond's work. */
export const SEGMENT = 64 * 1024;

/** The records for a chunk that was appended at `start`, and how many newlines it holds. */
export function indexChunk(chunk: Buffer, start: IndexRecord): { records: Buffer; newlines: number } {
  const records = Buffer.allocUnsafe(Math.ceil(chunk.length / SEGMENT) * RECORD);
  let newlines = 0;
  for (let at = 0, to = 0; at < chunk.length; at += SEGMENT, to += RECORD) {
    records.writeDoubleLE(start.offset + at, to);
    records.writeDoubleLE(start.newlines + newlines, to + 8);
    records.writeDoubleLE(start.at, to + 16);
    newlines += countNewlines(chunk.subarray(at, at + SEGMENT));
  }
  return { records, newlines };
}

export function countNewlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}

/** An index's bytes, wherever they are: fills `into` from `start` on, and says how many bytes there were. */
type ReadInto = (into: Buffer, start: number) => Promise<number>;

/** Reads records `from` to before `to`. */
export async function readRecords(read: ReadInto, from: number, to: number): Promise<IndexRecord[]> {
  const bytes = Buffer.allocUnsafe((to - from) * RECORD);
  const length = await read(bytes, from * RECORD);
  const records: IndexRecord[] = [];
  for (let at = 0; at + RECORD <= length; at += RECORD) {
    records.push({
      offset: bytes.readDoubleLE(at),
      newlines: bytes.readDoubleLE(at + 8),
      at: bytes.readDoubleLE(at + 16),
    });
  }
  return records;
}

/** The last of an index's `total` records whose `field` is at most `most`, and up to `count - 1` that follow it. */
export async function findRecords(
  read: ReadInto,
  total: number,
  { field, most, count }: { field: 'offset' | 'newlines'; most: number; count: number },
): Promise<IndexRecord[]> {
  let low = -1;
  let high = total;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const [record] = await readRecords(read, middle, middle + 1);
    if (record && record[field] <= most) low = middle;
    else high = middle;
  }
  return low < 0 ? [] : readRecords(read, low, Math.min(total, low + count));
}
