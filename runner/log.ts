import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { Redactor } from './redact.ts';

/** Bytes that may wait for the disk before the step's output is held up. */
const WAITING_LIMIT = 1024 * 1024;

/** How much of a log is kept in memory when the disk takes no more, so that the log can still say so. */
const TAIL_LIMIT = 64 * 1024;

export interface LogOptions {
  /** Where the runner's copy is kept until the server has taken the job's result. */
  file: string;
  /** Bytes after which the log is cut, with a line that says so. */
  limit: number;
  /** Values that never leave the runner. */
  secrets: readonly string[];
  /** There is more to read. */
  onGrew(): void;
  /** The disk failed; what is written from now on is dropped, but for a short tail in memory. */
  onFault(error: NodeJS.ErrnoException): void;
}

/**
 * A job's log on the runner: masks, counts, and writes to a file from which it is sent, at any offset and as often as
 * needed. Memory stays flat: a step that writes faster than the disk takes it is held up.
 */
export class JobLog {
  readonly #options: LogOptions;
  readonly #handle: FileHandle;
  readonly #redactor: Redactor;
  readonly #hash = createHash('sha256');
  readonly #cutLine: Buffer;
  /** Masked and counted, not yet written. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | null = null;
  #written = 0;
  /** What follows the written bytes once the disk has failed. */
  #tail: Buffer | null = null;
  #size = 0;
  #cut = false;

  static async open(options: LogOptions): Promise<JobLog> {
    return new JobLog(options, await open(options.file, 'w+', 0o600));
  }

  private constructor(options: LogOptions, handle: FileHandle) {
    this.#options = options;
    this.#handle = handle;
    this.#redactor = new Redactor(options.secrets);
    const limit = `${options.limit} bytes`;
    this.#cutLine = Buffer.from(`\n[the log has reached its limit of ${limit} and is cut here]\n`);
  }

  /** Bytes of the log so far, those included that are not yet readable. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that `read` gives. */
  get readable(): number {
    return this.#written + (this.#tail?.length ?? 0);
  }

  /** Takes a step's output. The promise, if there is one, is fulfilled when there is room for more. */
  write(chunk: Buffer): Promise<void> | undefined {
    this.#append(this.#redactor.push(chunk));
    if (this.#waitingBytes > WAITING_LIMIT) return this.#writing ?? undefined;
    return undefined;
  }

  /** A line of the runner's own. */
  say(line: string): void {
    this.write(Buffer.from(`${line}\n`));
    this.mark();
  }

  /** Ends a section: nothing is held back any more. Returns the offset at which the next one begins. */
  mark(): number {
    this.#append(this.#redactor.end());
    return this.#size;
  }

  /** Resolves when everything written so far is readable. */
  async settle(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Ends the log: its size and digest. `read` still works. */
  async end(): Promise<{ size: number; sha256: string }> {
    this.mark();
    await this.settle();
    return { size: this.#size, sha256: this.#hash.copy().digest('hex') };
  }

  /** Fills `into` from the offset on, as far as there are bytes; returns how many. */
  async read(offset: number, into: Buffer): Promise<number> {
    if (offset < this.#written) {
      const length = Math.min(into.length, this.#written - offset);
      const { bytesRead } = await this.#handle.read(into, 0, length, offset);
      return bytesRead;
    }
    return this.#tail?.copy(into, 0, offset - this.#written) ?? 0;
  }

  async close(): Promise<void> {
    await this.settle();
    await this.#handle.close();
  }

  #append(masked: Buffer): void {
    if (masked.length === 0 || this.#cut) return;
    const room = this.#options.limit - this.#cutLine.length - this.#size;
    this.#cut = masked.length > room;
    this.#take(this.#cut ? masked.subarray(0, Math.max(0, room)) : masked);
    if (this.#cut) this.#take(this.#cutLine);
  }

  #take(bytes: Buffer): void {
    if (this.#tail) {
      const rest = bytes.subarray(0, Math.max(0, TAIL_LIMIT - this.#tail.length));
      this.#tail = Buffer.concat([this.#tail, rest]);
      this.#count(rest);
      this.#options.onGrew();
      return;
    }
    this.#count(bytes);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#writing ??= this.#drain();
  }

  #count(bytes: Buffer): void {
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  async #drain(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting;
        this.#waiting = [];
        this.#waitingBytes = 0;
        try {
          await writeAll(this.#handle, batch, this.#written);
        } catch (error) {
          this.#fail([...batch, ...this.#waiting], error as NodeJS.ErrnoException);
          return;
        }
        for (const bytes of batch) this.#written += bytes.length;
        this.#options.onGrew();
      }
    } finally {
      // In the same breath as the last look at what waits: bytes that came in between would never be written.
      this.#writing = null;
    }
  }

  #fail(unwritten: Buffer[], error: NodeJS.ErrnoException): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    // All of it, though it may exceed the tail's limit: it is counted in the digest already.
    this.#tail = Buffer.concat(unwritten);
    this.#options.onGrew();
    this.#options.onFault(error);
  }
}

async function writeAll(handle: FileHandle, batch: Buffer[], position: number): Promise<void> {
  const bytes = batch.length === 1 && batch[0] ? batch[0] : Buffer.concat(batch);
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
