import type { Readable } from 'node:stream';
import type { LineQuery, Lines } from './lines.ts';
import type { LogMatch } from './search.ts';

/**
 * Every attempt's log, by the attempt's id. A log only grows (`append`), while its attempt runs. Two real ones:
 * `DirectoryLogs` for one server, `SharedLogs` for any number of them. Readers see everything appended before, by
 * whichever server. Memory does not grow with a log, a line, or the number of readers.
 */
export interface LogStore extends AsyncDisposable {
  /**
   * Adds bytes at `offset`, which came `at` (ms since 1970). Bytes already held are not looked at again, so a repeat is a
   * no-op; an offset beyond the end is a gap, answered with where to continue. Survives the server's death when it resolves.
   */
  append(attempt: string, offset: number, chunk: Buffer, at: number): Promise<Appended>;

  /** Bytes held; 0 for a log nobody has written to. */
  size(attempt: string): Promise<number>;

  /** Makes the log durable and says what is held. Appending may go on afterwards; a repeat reads the log once. */
  seal(attempt: string): Promise<{ size: number; sha256: string }>;

  /** Empties a log whose bytes turned out to differ from the runner's, to be sent again from the beginning. */
  reset(attempt: string): Promise<void>;

  remove(attempt: string): Promise<void>;

  /** The bytes from `start` to before `end` (cut to what is held), in pieces of a quarter MiB. */
  read(attempt: string, range: { start: number; end: number }): Readable;

  /** Fills `into` with the bytes from `start` on; returns how many there were. For those who read again and again. */
  readInto(attempt: string, into: Buffer, start: number): Promise<number>;

  /** Some lines, and how many there are; found through the index, wherever they are. */
  lines(attempt: string, query: LineQuery): Promise<Lines>;

  /** The number, from 1, of the line that the byte at `offset` belongs to. */
  lineAt(attempt: string, offset: number): Promise<number>;

  /** The first `limit` lines that hold `text`, whatever the case. Reads the log once, in small pieces; `signal` ends it. */
  search(attempt: string, text: string, limit: number, signal?: AbortSignal): Promise<LogMatch[]>;

  /** Calls back after each append with the log's new size (0 after a reset); returns how to stop. */
  onGrew(listener: GrowthListener): () => void;

  /** Another server says that a log has grown there: listeners here are told, as of `elsewhere`. */
  grewElsewhere(attempt: string, size: number): void;

  /** Ends what is being written, then closes everything. */
  close(): Promise<void>;
}

export type Appended = { size: number } | { gapAt: number };

/** `here`: this server appended. Whoever tells other servers passes on those alone. */
export type GrowthListener = (attempt: string, size: number, where: 'here' | 'elsewhere') => void;

/** Where a finished log is, as the key of an object. A folder per last two characters of the id (ids are random). */
export function logKey(attempt: string): string {
  if (!/^[0-9a-z]{8,40}$/.test(attempt)) throw new Error(`"${attempt}" is not the id of an attempt.`);
  return `${attempt.slice(-2)}/${attempt}.log`;
}
