import type { Readable } from 'node:stream';

/**
 * A place for bytes that never change once they are there, under keys such as `ab/abcdef…`. Two real ones: a directory
 * (`directory.ts`) and S3-compatible storage (`s3.ts`). What the bytes have to be is their users' matter.
 */
export interface ObjectStore {
  /**
   * Stores a body. It appears whole and durably when the body has ended and this resolves, or not at all: a body that
   * throws leaves nothing. Who stores under a key that is there replaces it. Resolves to the object's state.
   */
  put(key: string, body: AsyncIterable<Buffer>): Promise<string>;

  /** Looks an object up, to be read; null where there is none. Close it, or end its `stream`. */
  open(key: string): Promise<StoredObject | null>;

  /** Removes an object; that it is not there is fine. */
  remove(key: string): Promise<void>;

  /** All objects in the order of their keys; those whose keys follow `after`. What is stored or removed meanwhile may be missing. */
  list(o?: { after?: string }): AsyncIterable<ListedObject>;

  /** An address that gives the object to whoever has it; null where people are not sent elsewhere. */
  link(key: string, o: LinkOptions): Promise<string | null>;

  close(): Promise<void>;
}

export interface ListedObject {
  key: string;
  /** When it was last stored, by the clock of the place. */
  storedAt: number;
}

export interface LinkOptions {
  fileName: string;
  /** Its media type. */
  type: string;
  /** How long the address is good. */
  seconds: number;
}

/** One object as it was when it was opened: whoever replaces it meanwhile does not change what is read. */
export interface StoredObject {
  size: number;
  /** Differs whenever somebody wrote other bytes there. */
  state: string;
  /** All of it, for who checks it; a piece is only valid until the next. */
  all(): AsyncIterable<Buffer>;
  /** The bytes from `start` to before `end`, at the reader's pace. The stream owns the object: closed when it ends. */
  stream(range: { start: number; end: number }): Promise<Readable>;
  /** Fills `into` with the bytes from `start` on; returns how many there were. */
  readInto(into: Buffer, start: number): Promise<number>;
  /** Moves bytes found to be damaged out of the way, where the place allows it; they may be replaced in any case. */
  setAside(): Promise<void>;
  close(): Promise<void>;
}

/** Throws unless a key has the form that every place takes: two characters as folder, then a plain name. */
export function assertKey(key: string): void {
  if (!/^[0-9a-z]{2}\/[0-9a-z]+(\.[a-z]+)*$/.test(key))
    throw new Error(`"${key}" is not the key of an object.`);
}
