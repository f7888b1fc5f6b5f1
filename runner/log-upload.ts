import type { JobLog } from './log.ts';

/** The largest piece sent at once. */
const PIECE = 1024 * 1024;

/** Small pieces are sent no more often than this. */
const PAUSE_MS = 250;

/**
 * Sends a log to the server while it grows, always from the offset that the server says it has. The first bytes of a section
 * go at once, later ones in pieces, so that neither a slow nor a fast step costs more requests than it is worth.
 */
export class LogUpload {
  readonly #log: JobLog;
  readonly #send: (offset: number, bytes: Buffer) => Promise<number>;
  readonly #onRefused: (error: unknown) => void;
  #piece = Buffer.alloc(0);
  #sent = 0;
  /** Until then small pieces wait. */
  #quietUntil = 0;
  #wanted = 0;
  #working: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #failed = false;

  /** `send` returns how many bytes the server has then; when it throws, the upload has ended, and `onRefused` is told. */
  constructor(
    log: JobLog,
    send: (offset: number, bytes: Buffer) => Promise<number>,
    onRefused: (error: unknown) => void,
  ) {
    this.#log = log;
    this.#send = send;
    this.#onRefused = onRefused;
  }

  /** The log has more to read. */
  grew(): void {
    if (this.#working || this.#timer || this.#failed) return;
    const isWhole = this.#log.readable - this.#sent >= PIECE;
    const wait = isWhole ? 0 : this.#quietUntil - performance.now();
    if (wait <= 0) {
      this.#start();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#start();
    }, wait);
  }

  /** What comes next is sent at once. */
  hurry(): void {
    this.#quietUntil = 0;
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.grew();
  }

  /** Resolves when the server has all of the log that is readable now, or the upload has ended. `from`: begin there again. */
  async complete(from?: number): Promise<void> {
    if (from !== undefined) this.#sent = Math.min(from, this.#log.readable);
    this.#wanted = this.#log.readable;
    while (!this.#failed && this.#sent < this.#wanted) {
      this.hurry();
      this.grew();
      await this.#working;
    }
    this.stop();
  }

  stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #start(): void {
    if (this.#sent >= this.#log.readable) return;
    this.#working = this.#sendPieces().finally(() => {
      this.#working = null;
      if (this.#sent < this.#log.readable) this.grew();
    });
  }

  /** At least one piece, and on as long as there are whole ones or somebody waits for the end. */
  async #sendPieces(): Promise<void> {
    try {
      do {
        this.#quietUntil = performance.now() + PAUSE_MS;
        const length = Math.min(PIECE, this.#log.readable - this.#sent);
        if (this.#piece.length < length) this.#piece = Buffer.allocUnsafeSlow(length);
        const read = await this.#log.read(this.#sent, this.#piece.subarray(0, length));
        if (read === 0) throw new Error("the log's file on the runner is shorter than it was");
        this.#sent = await this.#send(this.#sent, this.#piece.subarray(0, read));
      } while (this.#log.readable - this.#sent >= PIECE || this.#sent < this.#wanted);
    } catch (error) {
      this.#failed = true;
      this.#onRefused(error);
    }
  }
}
