import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import {
  assertKey,
  type LinkOptions,
  type ListedObject,
  type ObjectStore,
  type StoredObject,
} from './objects.ts';
import { explain, isMissing, unlessMissing } from './s3-errors.ts';
import { abortLeftovers, type Place, upload } from './s3-upload.ts';
import type { S3Settings } from './storage-url.ts';

/** Downloads hold a connection as long as they take: there must be more of them than people who download at once. */
const CONNECTIONS = 512;

/** Whoever asks whether the storage is there does not wait on. */
const PING_MS = 2000;

/** A client for the storage, and the proof that its bucket is there. Throws, naming the cause, where it cannot be used. */
export async function connectS3(settings: S3Settings): Promise<S3Client> {
  const client = new S3Client({
    endpoint: settings.endpoint,
    region: settings.region,
    forcePathStyle: settings.pathStyle,
    credentials: {
      accessKeyId: settings.accessKeyId,
      secretAccessKey: settings.secretAccessKey.reveal(),
      ...(settings.sessionToken && { sessionToken: settings.sessionToken.reveal() }),
    },
    // Newer checksums are unknown to many compatible servers. Every body is sent with its MD5, which all of them check.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 4,
    requestHandler: {
      connectionTimeout: 5_000,
      socketTimeout: 60_000,
      httpAgent: { keepAlive: true, maxSockets: CONNECTIONS },
      httpsAgent: { keepAlive: true, maxSockets: CONNECTIONS },
    },
  });
  try {
    await client.send(new HeadBucketCommand({ Bucket: settings.bucket }));
    return client;
  } catch (error) {
    client.destroy();
    const what = isMissing(error)
      ? `has no bucket ${settings.bucket}: make it`
      : `refuses the bucket ${settings.bucket} or cannot be reached: check STORAGE_URL`;
    throw new Error(`The storage at ${settings.endpoint} ${what}.`, { cause: error });
  }
}

/** Rejects unless the bucket is there, and answers in time. */
export async function pingS3(client: S3Client, bucket: string): Promise<void> {
  const abortSignal = AbortSignal.timeout(PING_MS);
  await client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal });
}

/**
 * Objects in S3-compatible storage, below a folder of the settings' prefix. An upload holds 8 MiB in memory at most, and no
 * more than one part is on its way. Uploads that no server finishes are aborted after two hours. The storage being away is a
 * `Refusal` 503.
 */
export class S3Store implements ObjectStore {
  readonly #client: S3Client;
  readonly #place: Place;
  readonly #presign: boolean;
  readonly #sweep: NodeJS.Timeout;

  constructor(client: S3Client, settings: S3Settings, folder: string) {
    this.#client = client;
    this.#place = { client, bucket: settings.bucket, prefix: `${settings.prefix}${folder}/` };
    this.#presign = settings.presign;
    const sweep = () => abortLeftovers(this.#place).catch(() => {});
    this.#sweep = setInterval(sweep, 3_600_000).unref();
    void sweep();
  }

  async put(key: string, body: AsyncIterable<Buffer>): Promise<string> {
    const etag = await upload(this.#place, this.#key(key), body);
    const stored = await this.#head(key);
    // Replaced at once by somebody else: whoever reads it finds out what it is.
    return stored && stored.etag === etag ? stored.state : '';
  }

  async open(key: string): Promise<StoredObject | null> {
    return this.#head(key);
  }

  async remove(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#at(key))).catch(explain);
  }

  async *list({ after }: { after?: string } = {}): AsyncGenerator<ListedObject> {
    const { bucket: Bucket, prefix: Prefix } = this.#place;
    const from = after ? { StartAfter: `${Prefix}${after}` } : {};
    for (let ContinuationToken: string | undefined; ; ) {
      const list = new ListObjectsV2Command({ Bucket, Prefix, ...from, ContinuationToken });
      const page = await this.#client.send(list).catch(explain);
      for (const { Key, LastModified } of page.Contents ?? [])
        if (Key && LastModified) yield { key: Key.slice(Prefix.length), storedAt: LastModified.getTime() };
      if (!page.IsTruncated) return;
      ContinuationToken = page.NextContinuationToken;
    }
  }

  async link(key: string, { fileName, type, seconds }: LinkOptions): Promise<string | null> {
    if (!this.#presign) return null;
    const command = new GetObjectCommand({
      ...this.#at(key),
      ResponseContentDisposition: `attachment; filename="${fileName}"`,
      ResponseContentType: type,
      ResponseCacheControl: 'private, no-store',
    });
    return getSignedUrl(this.#client, command, { expiresIn: seconds });
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
  }

  async #head(key: string): Promise<S3Object | null> {
    const head = await this.#client.send(new HeadObjectCommand(this.#at(key))).catch(unlessMissing);
    return head && new S3Object(this.#client, this.#at(key), head);
  }

  #at(key: string): At {
    return { Bucket: this.#place.bucket, Key: this.#key(key) };
  }

  #key(key: string): string {
    assertKey(key);
    return `${this.#place.prefix}${key}`;
  }
}

/** Where an object is, in the words of the storage's requests. */
interface At {
  Bucket: string;
  Key: string;
}

/** What `HEAD` said of an object; it is read only as long as its entity tag is the same. */
class S3Object implements StoredObject {
  readonly size: number;
  readonly etag: string;
  readonly state: string;
  readonly #client: S3Client;
  readonly #at: At;

  constructor(client: S3Client, at: At, head: HeadObjectCommandOutput) {
    this.#client = client;
    this.#at = at;
    this.size = head.ContentLength ?? 0;
    this.etag = head.ETag ?? '';
    // The tag is made of the parts' MD5: other bytes have another one, whoever wrote them.
    this.state = `${this.etag} ${this.size} ${head.LastModified?.getTime()} ${head.VersionId ?? ''}`;
  }

  async *all(): AsyncGenerator<Buffer> {
    try {
      yield* await this.stream({ start: 0, end: this.size });
    } catch (error) {
      explain(error);
    }
  }

  async stream({ start, end }: { start: number; end: number }): Promise<Readable> {
    const stop = Math.min(end, this.size);
    if (start >= stop) return Readable.from([]);
    const isPart = start > 0 || stop < this.size;
    const get = new GetObjectCommand({
      ...this.#at,
      IfMatch: this.etag,
      ...(isPart && { Range: `bytes=${start}-${stop - 1}` }),
    });
    const { Body } = await this.#client.send(get).catch(explain);
    if (!(Body instanceof Readable)) throw new Error('The storage answered without a body.');
    return Body;
  }

  async readInto(into: Buffer, start: number): Promise<number> {
    let filled = 0;
    const stream = await this.stream({ start, end: start + into.length });
    try {
      for await (const piece of stream) filled += (piece as Buffer).copy(into, filled);
    } catch (error) {
      explain(error);
    }
    return filled;
  }

  /** Stays where it is, for whoever looks into it; storing the same blob again takes its place. */
  async setAside(): Promise<void> {}

  async close(): Promise<void> {}
}
