import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestOf, SUMS_FILE } from './format.ts';

/** A backup while it is written: files, each with a line in the list of digests, all of them durable when it is finished. */
export class BackupWriting implements AsyncDisposable {
  readonly directory: string;
  files = 0;
  bytes = 0;
  readonly #sums: FileHandle;

  private constructor(directory: string, sums: FileHandle) {
    this.directory = directory;
    this.#sums = sums;
  }

  /** Begins one in a directory, which is made. Throws a sentence where that holds something already. */
  static async begin(directory: string): Promise<BackupWriting> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if ((await readdir(directory)).length > 0)
      throw new Error(`${directory} is not empty: give a directory of its own to each backup.`);
    return new BackupWriting(directory, await open(join(directory, SUMS_FILE), 'wx', 0o600));
  }

  /** Adds a file; returns its digest. */
  async add(path: string, body: AsyncIterable<Buffer>): Promise<string> {
    const hash = createHash('sha256');
    let size = 0;
    await using file = await open(await this.place(path), 'wx', 0o600);
    for await (const piece of body) {
      hash.update(piece);
      size += piece.length;
      await file.writeFile(piece);
    }
    await file.sync();
    return this.#note(path, hash.digest('hex'), size);
  }

  /** Adds a file that somebody else has written at its `place`. */
  async addWritten(path: string): Promise<void> {
    const file = join(this.directory, path);
    await using handle = await open(file, 'r');
    await handle.sync();
    await this.#note(path, await digestOf(file), (await stat(file)).size);
  }

  /** Where a file of the backup belongs, its folder made. */
  async place(path: string): Promise<string> {
    const file = join(this.directory, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    return file;
  }

  /** Ends the list of digests; returns its own. */
  async finish(): Promise<string> {
    await this.#sums.sync();
    return digestOf(join(this.directory, SUMS_FILE));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sums.close();
  }

  async #note(path: string, sha256: string, size: number): Promise<string> {
    await this.#sums.writeFile(`${sha256}  ${path}\n`);
    this.files += 1;
    this.bytes += size;
    return sha256;
  }
}
