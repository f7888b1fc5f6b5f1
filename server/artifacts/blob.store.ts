import { createHash, randomUUID } from 'node:crypto';
import { type BigIntStats, constants, mkdirSync, rmSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { Refusal } from '../http/refusal.ts';

/** Bytes hashed or sent at once. */
const PIECE = 256 * 1024;

/** What `openVerified` gives: the blob's whole size, and the bytes asked for. The stream owns the file. */
export interface OpenBlob {
  size: number;
  stream: Readable;
}

/**
 * Content by its sha256, in `<dir>/<first two digits>/<digest>`. A blob appears whole or not at all, never changes, and
 * is never given out before its digest was checked: damage on the disk (threats T6) turns into a refusal, not into bytes.
 */
export class BlobStore {
  readonly #dir: string;
  /** Digest to the state of its file when it was last found to be right. */
  readonly #verified = new Map<string, string>();
  readonly #verifying = new Map<string, Promise<boolean>>();

  /** Removes what uploads left unfinished when the server last died. */
  constructor({ dir }: { dir: string }) {
    this.#dir = dir;
    rmSync(this.#temporary(), { recursive: true, force: true });
    mkdirSync(this.#temporary(), { recursive: true, mode: 0o700 });
  }

  /**
   * Stores a body under the digest it must have. `held`: it was there already, and the body is left unread. Refuses a body
   * larger than `limit` bytes (413), of another digest (422), or for which there is no space (507). Until it resolves
   * nothing is visible, afterwards the blob survives a power failure.
   */
  async put(
    sha256: string,
    body: AsyncIterable<Buffer>,
    { limit }: { limit: number },
  ): Promise<'stored' | 'held'> {
    if (await this.has(sha256)) return 'held';
    const temporary = join(this.#temporary(), randomUUID());
    try {
      await receive(temporary, { sha256, body, limit });
      await this.#publish(temporary, sha256);
      return 'stored';
    } catch (error) {
      await rm(temporary, { force: true });
      throw diskFull(error) ?? error;
    }
  }

  /** Whether the blob is here, and sound: a damaged one is put aside, so that it can be stored again. */
  async has(sha256: string): Promise<boolean> {
    return (await this.size(sha256)) !== null;
  }

  /** Bytes of a blob that is here and sound; null otherwise. */
  async size(sha256: string): Promise<number | null> {
    const file = await this.#open(sha256);
    if (!file) return null;
    try {
      return (await this.#verify(sha256, file)) ? (await file.stat()).size : null;
    } finally {
      await file.close();
    }
  }

  /**
   * Opens a blob, all of it or the bytes from `start` to before `end`. Its digest is checked first, the first time and
   * whenever its file has changed since. Damaged or missing: `Refusal` 500 `artifact-damaged`, and the file is put aside.
   */
  async openVerified(sha256: string, range?: { start: number; end: number }): Promise<OpenBlob> {
    const file = await this.#open(sha256);
    if (!file) throw damaged(sha256, 'is missing from the store');
    try {
      if (!(await this.#verify(sha256, file))) throw damaged(sha256, 'no longer has its digest');
      const { size } = await file.stat();
      const { start, end } = range ?? { start: 0, end: size };
      return { size, stream: await streamOf(file, { start, end: Math.min(end, size) }) };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** A blob of at most `limit` bytes, whole. */
  async readSmall(sha256: string, limit = 1024 * 1024): Promise<Buffer> {
    const { size, stream } = await this.openVerified(sha256);
    if (size > limit) {
      stream.destroy();
      throw new Refusal(
        413,
        'too-large',
        `The blob ${sha256} has ${size} bytes; at most ${limit} are read at once.`,
      );
    }
    return Buffer.concat(await stream.toArray());
  }

  /** Into its place, durably: the file's bytes are synced already, now its name. */
  async #publish(temporary: string, sha256: string): Promise<void> {
    const path = this.#path(sha256);
    const directory = dirname(path);
    const made = await mkdir(directory, { recursive: true, mode: 0o700 });
    await rename(temporary, path);
    await syncDirectory(directory);
    if (made) await syncDirectory(this.#dir);
    // Its bytes were hashed on the way in: reading them back would only show the cache that they are still in.
    this.#remember(sha256, stateOf(await stat(path, { bigint: true })));
  }

  /** Whether a blob's bytes have its digest; several who ask at once share the reading. */
  async #verify(sha256: string, file: FileHandle): Promise<boolean> {
    const state = stateOf(await file.stat({ bigint: true }));
    if (this.#verified.get(sha256) === state) return true;
    const key = `${sha256} ${state}`;
    let verifying = this.#verifying.get(key);
    if (!verifying) {
      verifying = this.#check(sha256, file, state).finally(() => this.#verifying.delete(key));
      this.#verifying.set(key, verifying);
    }
    return verifying;
  }

  async #check(sha256: string, file: FileHandle, state: string): Promise<boolean> {
    const hash = createHash('sha256');
    const piece = Buffer.allocUnsafe(PIECE);
    for (let at = 0; ; ) {
      const { bytesRead } = await file.read(piece, 0, PIECE, at);
      if (bytesRead === 0) break;
      hash.update(piece.subarray(0, bytesRead));
      at += bytesRead;
    }
    if (hash.digest('hex') === sha256) {
      this.#remember(sha256, state);
      return true;
    }
    await this.#quarantine(sha256, file);
    return false;
  }

  #remember(sha256: string, state: string): void {
    this.#verified.set(sha256, state);
    if (this.#verified.size <= 10_000) return;
    const [oldest] = this.#verified.keys();
    if (oldest !== undefined) this.#verified.delete(oldest);
  }

  /** Renames a damaged file, unless a sound one took its place meanwhile. */
  async #quarantine(sha256: string, file: FileHandle): Promise<void> {
    const path = this.#path(sha256);
    const present = await this.#open(sha256);
    if (!present) return;
    try {
      const [{ ino }, { ino: inPlace }] = await Promise.all([file.stat(), present.stat()]);
      if (ino === inPlace) await rename(path, `${path}.damaged-${randomUUID()}`);
    } finally {
      await present.close();
    }
  }

  async #open(sha256: string): Promise<FileHandle | null> {
    return open(this.#path(sha256), constants.O_RDONLY | constants.O_NOFOLLOW).catch((error) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
  }

  #temporary(): string {
    return join(this.#dir, 'incoming');
  }

  #path(sha256: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new Error(`"${sha256}" is not a sha256 in hex.`);
    return join(this.#dir, sha256.slice(0, 2), sha256);
  }
}

/** Writes a body to a new file, checked and synced. */
async function receive(
  path: string,
  { sha256, body, limit }: { sha256: string; body: AsyncIterable<Buffer>; limit: number },
): Promise<void> {
  const hash = createHash('sha256');
  let size = 0;
  await using file = await open(path, 'wx', 0o600);
  for await (const piece of body) {
    size += piece.length;
    if (size > limit)
      throw new Refusal(413, 'too-large', `The blob is larger than the ${limit} bytes that are accepted.`);
    hash.update(piece);
    await file.writeFile(piece);
  }
  const actual = hash.digest('hex');
  if (actual !== sha256) {
    const sentence = `The ${size} bytes received have the digest ${actual}, not ${sha256}. Send them again.`;
    throw new Refusal(422, 'digest-mismatch', sentence);
  }
  await file.sync();
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync();
}

async function streamOf(file: FileHandle, { start, end }: { start: number; end: number }): Promise<Readable> {
  if (start < end) return file.createReadStream({ start, end: end - 1, highWaterMark: PIECE });
  await file.close();
  return Readable.from([]);
}

/** Changes whenever somebody writes to a file or exchanges it, even if the time of writing is put back. */
function stateOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

function damaged(sha256: string, how: string): Refusal {
  const sentence = `The stored blob ${sha256} ${how}, so nothing of it was sent. Rebuild the commit: the same bytes are stored anew.`;
  return new Refusal(500, 'artifact-damaged', sentence);
}

function diskFull(error: unknown): Refusal | null {
  const code = (error as NodeJS.ErrnoException)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return null;
  const sentence = "The server's disk is full, so nothing was stored. Free some space and send it again.";
  return new Refusal(507, 'disk-full', sentence);
}
