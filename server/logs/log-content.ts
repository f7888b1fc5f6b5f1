import type { IndexRecord } from './line-index.ts';

/** One log to be read: its bytes, and the index that says where its lines are. It may grow meanwhile. */
export interface LogContent {
  /** Bytes. */
  readonly size: number;
  readonly newlines: number;
  /** Counting a last one without a newline. */
  readonly lines: number;
  /** Fills `into` with the bytes from `start` on, as far as there are any; returns how many. */
  readInto(into: Buffer, start: number): Promise<number>;
  /** The last record whose `field` is at most `most`, and up to `count - 1` that follow; none where there is none. */
  records(field: 'offset' | 'newlines', most: number, count: number): Promise<IndexRecord[]>;
}
