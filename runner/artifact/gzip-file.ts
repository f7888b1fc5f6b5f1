import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { createGzip, type Gzip } from 'node:zlib';

/** Fixed, because it decides how the input reaches zlib; small enough that filling it keeps the event loop for milliseconds. */
const SLAB = 256 * 1024;

/** RFC 1952, "Unix": what `gzip -n` writes on Linux. Node's own choice differs between platforms. */
const OS_BYTE = 3;

/**
 * A gzip file written from a slab of memory: while one slab is being compressed on a thread of the pool, the caller fills
 * the other (`room`, `filled`). Level 6, one stream, no name, no time: the same input and the same zlib give the same bytes.
 */
export class GzipFile implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #gzip: Gzip = createGzip({ level: 6, chunkSize: 128 * 1024 });
  readonly #hash = createHash('sha256');
  readonly #output: Promise<void>;
  #slab = Buffer.allocUnsafeSlow(SLAB);
  #spare = Buffer.allocUnsafeSlow(SLAB);
  #used = 0;
  #size = 0;
  #compressing: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle) {
    this.#file = file;
    this.#output = this.#writeOutput();
    this.#output.catch(() => {});
  }

  /** Makes the file, which must not exist, readable by its owner only. */
  static async create(path: string): Promise<GzipFile> {
    return new GzipFile(await open(path, 'wx', 0o600));
  }

  /** Unused memory of the slab, never empty: write there, then say how much with `filled`. */
  async room(): Promise<Buffer> {
    if (this.#used === SLAB) await this.#flush();
    return this.#slab.subarray(this.#used);
  }

  filled(bytes: number): void {
    this.#used += bytes;
  }

  async write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const copied = bytes.copy(await this.room(), 0, at);
      this.filled(copied);
      at += copied;
    }
  }

  /** Finishes the stream; the file's size and digest. */
  async end(): Promise<{ size: number; sha256: string }> {
    await this.#flush();
    await this.#compressing;
    this.#gzip.end();
    await this.#output;
    return { size: this.#size, sha256: this.#hash.digest('hex') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#gzip.destroy();
    await this.#output.catch(() => {});
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    await this.#compressing;
    const full = this.#slab.subarray(0, this.#used);
    this.#compressing = this.#compress(full);
    this.#compressing.catch(() => {});
    [this.#slab, this.#spare] = [this.#spare, this.#slab];
    this.#used = 0;
  }

  /** Resolves when zlib has taken all of `input` in; rejects when the output cannot be written. */
  async #compress(input: Buffer): Promise<void> {
    const taken = new Promise<void>((resolve, reject) => {
      this.#gzip.write(input, (error) => (error ? reject(error) : resolve()));
    });
    const failed = this.#output.then(() => {
      throw new Error('The compressed stream ended early.');
    });
    failed.catch(() => {});
    await Promise.race([taken, failed]);
  }

  async #writeOutput(): Promise<void> {
    for await (const chunk of this.#gzip as AsyncIterable<Buffer>) {
      if (this.#size === 0) fixHeader(chunk);
      this.#hash.update(chunk);
      this.#size += chunk.length;
      await this.#file.writeFile(chunk);
    }
  }
}

/** RFC 1952: magic, deflate, no flags, no time, then the level's hint and the operating system. */
function fixHeader(first: Buffer): void {
  if (first.length < 10 || first.readUInt32BE(0) !== 0x1f8b0800 || first.readUInt32LE(4) !== 0)
    throw new Error('zlib began the stream with an unexpected gzip header.');
  first[8] = 0;
  first[9] = OS_BYTE;
}
