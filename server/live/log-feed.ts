/** One message of a watched log. `end`: nothing follows, ever. */
export interface LogChunk {
  offset: number;
  bytes: Buffer;
  end: boolean;
}

/** Where a feed reads, and how it sends. */
export interface LogSource {
  size(): Promise<number>;
  /** The bytes from `start` up to but without `end`. */
  read(start: number, end: number): Promise<Buffer>;
  /** Whether the attempt is over, so that its log grows no more. */
  isOver(): Promise<boolean>;
  /** Resolves when the watcher has taken it, rejects when it does not. */
  send(chunk: LogChunk): Promise<void>;
}

/** What one watcher has unacknowledged at most: enough that a fast one is fast, little enough that a hundred cost nothing. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Carries one log to one watcher from its own offset, one acknowledged chunk after the other. A slow watcher delays only
 * itself, and holds one chunk of memory.
 */
export class LogFeed {
  readonly #source: LogSource;
  readonly #failed: (error: unknown) => void;
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
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#news && !this.#closed) {
        this.#news = false;
        while (!this.#closed && (await this.#sendNext()));
      }
    } catch (error) {
      if (!this.#closed) this.#failed(error);
      this.#closed = true;
    } finally {
      this.#pumping = false;
    }
  }

  /** False: nothing to send now. */
  async #sendNext(): Promise<boolean> {
    // First whether it is over, then its size: what is over has its final size.
    if (this.#askWhetherOver && !this.#over) {
      this.#askWhetherOver = false;
      this.#over = await this.#source.isOver();
    }
    const start = this.#offset;
    const size = await this.#source.size();
    const stop = Math.max(start, Math.min(size, start + CHUNK_BYTES));
    const end = this.#over && stop >= size;
    if (start === stop && !end) return false;
    const bytes = start === stop ? Buffer.alloc(0) : await this.#source.read(start, stop);
    await this.#source.send({ offset: start, bytes, end });
    this.#offset = start + bytes.length;
    if (end) this.#closed = true;
    return true;
  }
}
