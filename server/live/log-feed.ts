/** One message of a watched log. `end`: nothing follows, ever. */
export interface LogChunk {
  offset: number;
  bytes: Buffer;
  end: boolean;
}

/** Where a feed reads, and how it sends. */
export interface LogSource {
  size(): Promise<number>;
  /** Fills the buffer with the bytes from `start` on; returns how many there were. */
  readInto(buffer: Buffer, start: number): Promise<number>;
  /** Whether the attempt is over, so that its log grows no more. */
  isOver(): Promise<boolean>;
  /** Resolves when the watcher has taken it, rejects when it does not. */
  send(chunk: LogChunk): Promise<void>;
}

/** What one watcher has unacknowledged at most: enough that a fast one is fast, little enough that a hundred cost nothing. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Between two whole chunks while the log is being written: 10 MiB a second for each watcher, more than anybody reads, so that
 * a flood of output is not slowed down by those who watch it. What is left comes unpaced once it is quiet.
 */
const PACE_MS = 25;

/**
 * Carries one log to one watcher from its own offset, one acknowledged chunk after the other. A slow watcher delays only
 * itself, and holds one chunk of memory.
 */
export class LogFeed {
  readonly #source: LogSource;
  readonly #failed: (error: unknown) => void;
  /** Used again for every chunk: the last one was sent when it was acknowledged. None while there is nothing to send. */
  #buffer: Buffer | null = null;
  #offset: number;
  #over = false;
  #askWhetherOver = true;
  #pumping = false;
  #news = false;
  #closed = false;

  /** `failed` is called once, when the watcher did not take a chunk or the log could not be read. */
  constructor(source: LogSource, o: { offset: number; failed: (error: unknown) => void }) {
    this.#source = source;
    this.#offset = o.offset;
    this.#failed = o.failed;
  }

  /** The log has grown, or the feed begins. */
  pump(): void {
    this.#news = true;
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    void this.#sendAll();
  }

  /** Something about the attempt changed; it may be over. */
  attemptChanged(): void {
    this.#askWhetherOver = true;
    this.pump();
  }

  close(): void {
    this.#closed = true;
    this.#buffer = null;
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#news && !this.#closed) {
        this.#news = false;
        while (!this.#closed && (await this.#sendNext())) await this.#pace();
      }
    } catch (error) {
      if (!this.#closed) this.#failed(error);
      this.#closed = true;
    } finally {
      this.#pumping = false;
    }
  }

  async #pace(): Promise<void> {
    if (this.#over || !this.#news || this.#buffer?.length !== CHUNK_BYTES) return;
    this.#news = false;
    await new Promise((resolve) => setTimeout(resolve, PACE_MS));
  }

  /** False: nothing to send now. */
  async #sendNext(): Promise<boolean> {
    // First whether it is over, then its size: what is over has its final size.
    if (this.#askWhetherOver && !this.#over) {
      this.#askWhetherOver = false;
      this.#over = await this.#source.isOver();
    }
    const left = Math.max(0, (await this.#source.size()) - this.#offset);
    if (left === 0 && !this.#over) {
      this.#buffer = null;
      return false;
    }
    const bytes = await this.#read(Math.min(left, CHUNK_BYTES));
    const end = this.#over && bytes.length === left;
    await this.#source.send({ offset: this.#offset, bytes, end });
    this.#offset += bytes.length;
    if (end) this.close();
    return true;
  }

  async #read(length: number): Promise<Buffer> {
    const buffer = this.#buffer && this.#buffer.length >= length ? this.#buffer : Buffer.allocUnsafe(length);
    this.#buffer = buffer;
    const filled = length === 0 ? 0 : await this.#source.readInto(buffer.subarray(0, length), this.#offset);
    if (filled === 0 && length > 0) throw new Error('A log became shorter while it was watched.');
    return buffer.subarray(0, filled);
  }
}
