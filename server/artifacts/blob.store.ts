import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { sha256Of } from '../digest.ts';
import { Refusal } from '../http/refusal.ts';
import type { ObjectStore, StoredObject } from '../storage/objects.ts';

/** What `openVerified` gives: the blob's whole size, and the bytes asked for. The stream owns the object. */
export interface OpenBlob {
  size: number;
  stream: Readable;
}

/**
 * Content by its sha256, as the object `<first two digits>/<digest>`. A blob appears whole or not at all, never changes, and
 * is never given out before its digest was checked: damage in the storage (threats T6) turns into a refusal, not into bytes.
 */
export class BlobStore {
  readonly #objects: ObjectStore;
  /** Digest to the state of its object that was looked at last, and whether that had the digest. */
  readonly #looked = new Map<string, { state: string; isSound: boolean }>();
  readonly #looking = new Map<string, Promise<boolean>>();

  constructor(objects: ObjectStore) {
    this.#objects = objects;
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
    const state = await this.#objects.put(blobKey(sha256), checked(body, { sha256, limit }));
    // Its bytes were hashed on the way in: reading them back would only show the cache that they are still in.
    this.#remember(sha256, { state, isSound: true });
    return 'stored';
  }

  /** Whether the blob is here, and sound: a damaged one is put aside, so that it can be stored again. */
  async has(sha256: string): Promise<boolean> {
    return (await this.size(sha256)) !== null;
  }

  /** Bytes of a blob that is here and sound; null otherwise. */
  async size(sha256: string): Promise<number | null> {
    const object = await this.#objects.open(blobKey(sha256));
    if (!object) return null;
    try {
      return (await this.#verify(sha256, object)) ? object.size : null;
    } finally {
      await object.close();
    }
  }

  /**
   * Opens a blob, all of it or the bytes from `start` to before `end`. Its digest is checked first, the first time and
   * whenever its object has changed since. Damaged or missing: `Refusal` 500 `artifact-damaged`, and it is put aside.
   */
  async openVerified(sha256: string, range?: { start: number; end: number }): Promise<OpenBlob> {
    const object = await this.#objects.open(blobKey(sha256));
    if (!object) throw damaged(sha256, 'is missing from the store');
    try {
      if (!(await this.#verify(sha256, object))) throw damaged(sha256, 'no longer has its digest');
      const { size } = object;
      return { size, stream: await object.stream(range ?? { start: 0, end: size }) };
    } catch (error) {
      await object.close();
      throw error;
    }
  }

  /**
   * An address at the storage that gives the blob to whoever has it, for a minute; null where people are not sent elsewhere.
   * Checked and refused as by `openVerified`.
   */
  async link(sha256: string, file: { fileName: string; type: string }): Promise<string | null> {
    const link = await this.#objects.link(blobKey(sha256), { ...file, seconds: 60 });
    if (link === null) return null;
    const { stream } = await this.openVerified(sha256, { start: 0, end: 0 });
    stream.destroy();
    return link;
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

  /** Removes a blob that nothing leads to any more; that it is not there is fine. */
  async remove(sha256: string): Promise<void> {
    this.#looked.delete(sha256);
    await this.#objects.remove(blobKey(sha256));
  }

  /** Whether a blob's bytes have its digest; several who ask at once share the reading. */
  async #verify(sha256: string, object: StoredObject): Promise<boolean> {
    const known = this.#looked.get(sha256);
    if (known?.state === object.state) return known.isSound;
    const key = `${sha256} ${object.state}`;
    let looking = this.#looking.get(key);
    if (!looking) {
      looking = this.#look(sha256, object).finally(() => this.#looking.delete(key));
      this.#looking.set(key, looking);
    }
    return looking;
  }

  async #look(sha256: string, object: StoredObject): Promise<boolean> {
    const isSound = (await sha256Of(object.all())) === sha256;
    this.#remember(sha256, { state: object.state, isSound });
    if (!isSound) await object.setAside();
    return isSound;
  }

  #remember(sha256: string, looked: { state: string; isSound: boolean }): void {
    this.#looked.set(sha256, looked);
    if (this.#looked.size <= 10_000) return;
    const [oldest] = this.#looked.keys();
    if (oldest !== undefined) this.#looked.delete(oldest);
  }
}

/** Passes a body on and throws at its end unless it is what it must be, so that nothing of it is stored. */
async function* checked(
  body: AsyncIterable<Buffer>,
  { sha256, limit }: { sha256: string; limit: number },
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > limit)
      throw new Refusal(413, 'too-large', `The blob is larger than the ${limit} bytes that are accepted.`);
    hash.update(piece);
    yield piece;
  }
  const actual = hash.digest('hex');
  if (actual === sha256) return;
  const sentence = `The ${size} bytes received have the digest ${actual}, not ${sha256}. Send them again.`;
  throw new Refusal(422, 'digest-mismatch', sentence);
}

/** Where a blob is, as the key of an object. */
export function blobKey(sha256: string): string {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new Error(`"${sha256}" is not a sha256 in hex.`);
  return `${sha256.slice(0, 2)}/${sha256}`;
}

function damaged(sha256: string, how: string): Refusal {
  const sentence = `The stored blob ${sha256} ${how}, so nothing of it was sent. Rebuild the commit: the same bytes are stored anew.`;
  return new Refusal(500, 'artifact-damaged', sentence);
}
