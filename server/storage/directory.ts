import { randomUUID } from 'node:crypto';
import { type BigIntStats, constants, mkdirSync, rmSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { crashPoint } from '../crash-point.ts';
import { diskFull } from '../http/disk-full.ts';
import { assertKey, type ListedObject, type ObjectStore, type StoredObject } from './objects.ts';

/** Bytes read or sent at once. */
const PIECE = 256 * 1024;

/** Where bodies are received, beside the objects. */
const INCOMING = 'incoming';

/**
 * Objects as files below a directory. Received in `incoming/`, synced, renamed, the directory synced: whole and durable, or
 * not there. Meant for one server: what is in `incoming/` at the start is nobody's, and removed; unless this is
 * `besideServer`, to read while a server works on it.
 */
export class DirectoryStore implements ObjectStore {
  readonly #dir: string;

  constructor({ dir, besideServer = false }: { dir: string; besideServer?: boolean }) {
    this.#dir = dir;
    if (besideServer) return;
    rmSync(join(dir, INCOMING), { recursive: true, force: true });
    mkdirSync(join(dir, INCOMING), { recursive: true, mode: 0o700 });
  }

  /** A full disk is a `Refusal` 507. */
  async put(key: string, body: AsyncIterable<Buffer>): Promise<string> {
    const temporary = join(this.#dir, INCOMING, randomUUID());
    try {
      await receive(temporary, body);
      return await this.#publish(temporary, this.#path(key));
    } catch (error) {
      await rm(temporary, { force: true });
      throw diskFull(error) ?? error;
    }
  }

  async open(key: string): Promise<StoredObject | null> {
    const path = this.#path(key);
    const file = await openFile(path);
    return file && StoredFile.of(file, path);
  }

  async remove(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
  }

  async *list({ after = '' }: { after?: string } = {}): AsyncGenerator<ListedObject> {
    for (const directory of (await readdir(this.#dir)).sort()) {
      if (!/^[0-9a-z]{2}$/.test(directory) || directory < after.slice(0, 2)) continue;
      for (const name of (await readdir(join(this.#dir, directory))).sort()) {
        const key = `${directory}/${name}`;
        if (key <= after || name.includes('.damaged-')) continue;
        const stats = await stat(join(this.#dir, key)).catch(() => null);
        if (stats) yield { key, storedAt: stats.mtimeMs };
      }
    }
  }

  async link(): Promise<null> {
    return null;
  }

  async close(): Promise<void> {}

  /** Into its place, durably: the file's bytes are synced already, now its name. */
  async #publish(temporary: string, path: string): Promise<string> {
    const directory = dirname(path);
    const made = await mkdir(directory, { recursive: true, mode: 0o700 });
    crashPoint('blob');
    await rename(temporary, path);
    crashPoint('blob-stored');
    await syncDirectory(directory);
    if (made) await syncDirectory(this.#dir);
    return stateOf(await stat(path, { bigint: true }));
  }

  #path(key: string): string {
    assertKey(key);
    return join(this.#dir, key);
  }
}

class StoredFile implements StoredObject {
  readonly size: number;
  readonly state: string;
  readonly #file: FileHandle;
  readonly #path: string;

  private constructor(file: FileHandle, path: string, stats: BigIntStats) {
    this.#file = file;
    this.#path = path;
    this.size = Number(stats.size);
    this.state = stateOf(stats);
  }

  static async of(file: FileHandle, path: string): Promise<StoredFile> {
    try {
      return new StoredFile(file, path, await file.stat({ bigint: true }));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async *all(): AsyncGenerator<Buffer> {
    const piece = Buffer.allocUnsafe(PIECE);
    for (let at = 0; ; ) {
      const bytesRead = await this.readInto(piece, at);
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  async stream({ start, end }: { start: number; end: number }): Promise<Readable> {
    const stop = Math.min(end, this.size);
    if (start < stop) return this.#file.createReadStream({ start, end: stop - 1, highWaterMark: PIECE });
    await this.close();
    return Readable.from([]);
  }

  async readInto(into: Buffer, start: number): Promise<number> {
    return (await this.#file.read(into, 0, into.length, start)).bytesRead;
  }

  /** Renames the file, unless another took its place meanwhile. */
  async setAside(): Promise<void> {
    const present = await openFile(this.#path);
    if (!present) return;
    try {
      const [{ ino }, { ino: inPlace }] = await Promise.all([this.#file.stat(), present.stat()]);
      if (ino === inPlace) await rename(this.#path, `${this.#path}.damaged-${randomUUID()}`);
    } finally {
      await present.close();
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function openFile(path: string): Promise<FileHandle | null> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

/** Writes a body to a new file, synced. */
async function receive(path: string, body: AsyncIterable<Buffer>): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  for await (const piece of body) await file.writeFile(piece);
  await file.sync();
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync();
}

/** Changes whenever somebody writes to a file or exchanges it, even if the time of writing is put back. */
function stateOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}
