import type { FileHandle } from 'node:fs/promises';

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

/** Reads records `from` to before `to`. */
export async function readRecords(index: FileHandle, from: number, to: number): Promise<IndexRecord[]> {
  const bytes = Buffer.allocUnsafe((to - from) * RECORD);
  const { bytesRead } = await index.read(bytes, 0, bytes.length, from * RECORD);
  const records: IndexRecord[] = [];
  for (let at = 0; at + RECORD <= bytesRead; at += RECORD) {
    records.push({
      offset: bytes.readDoubleLE(at),
      newlines: bytes.readDoubleLE(at + 8),
      at: bytes.readDoubleLE(at + 16),
    });
  }
  return records;
}

/** Number of the last of `count` records whose `field` is at most `most`; -1 where there is none. */
export async function lastAtMost(
  index: FileHandle,
  count: number,
  { field, most }: { field: 'offset' | 'newlines'; most: number },
): Promise<number> {
  let low = -1;
  let high = count;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const [record] = await readRecords(index, middle, middle + 1);
    if (record && record[field] <= most) low = middle;
    else high = middle;
  }
  return low;
}
