import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { explain } from './s3-errors.ts';

/** Bytes of a part, the memory of an upload. S3 takes at most 10,000 parts: 78 GiB in one object. */
const PART = 8 * 1024 * 1024;

/** A body may take an hour to arrive (`http.requestTimeout`): an upload that began before this has nobody who ends it. */
const LEFTOVER_MS = 2 * 3_600_000;

/** Where a store's objects are. */
export interface Place {
  client: S3Client;
  bucket: string;
  /** Ends in a slash. */
  prefix: string;
}

/**
 * Stores a body under `Key`: in one request up to 8 MiB, else in parts, which become an object only together and only once
 * the body has ended well. Resolves to its entity tag.
 */
export async function upload(
  { client, bucket: Bucket }: Place,
  Key: string,
  body: AsyncIterable<Buffer>,
): Promise<string | undefined> {
  const at = { Bucket, Key };
  const parts = partsOf(body);
  const first = await parts.next();
  if (first.done) throw new Error('A body always has a part, if an empty one.');
  const { bytes, isLast } = first.value;
  if (isLast) {
    const put = new PutObjectCommand({ ...at, Body: bytes, ContentMD5: md5(bytes) });
    return (await client.send(put).catch(explain)).ETag;
  }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(at)).catch(explain);
  try {
    const Parts = [];
    let part = first.value;
    for (let PartNumber = 1; ; PartNumber += 1) {
      const send = { ...at, UploadId, PartNumber, Body: part.bytes, ContentMD5: md5(part.bytes) };
      const { ETag } = await client.send(new UploadPartCommand(send)).catch(explain);
      Parts.push({ ETag, PartNumber });
      if (part.isLast) break;
      const next = await parts.next();
      if (next.done) break;
      part = next.value;
    }
    const complete = new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } });
    return (await client.send(complete).catch(explain)).ETag;
  } catch (error) {
    // Where even this fails it is left over, and aborted by age.
    await client.send(new AbortMultipartUploadCommand({ ...at, UploadId })).catch(() => {});
    throw error;
  }
}

/** Aborts the uploads of servers that died over them; returns how many. Those of other servers at work are younger. */
export async function abortLeftovers(
  { client, bucket: Bucket, prefix: Prefix }: Place,
  olderThanMs = LEFTOVER_MS,
): Promise<number> {
  const before = Date.now() - olderThanMs;
  let aborted = 0;
  for (let markers = {}; ; ) {
    const page = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix, ...markers }));
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (!Initiated || Initiated.getTime() > before) continue;
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
      aborted += 1;
    }
    if (!page.IsTruncated) return aborted;
    markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
  }
}

/**
 * Cuts a body into parts of `PART` bytes, the last one what is left, in one buffer that is used again for each. A part is
 * only known not to be the last when more has come.
 */
async function* partsOf(body: AsyncIterable<Buffer>): AsyncGenerator<{ bytes: Buffer; isLast: boolean }> {
  let held: Buffer = Buffer.allocUnsafe(64 * 1024);
  let length = 0;
  for await (const piece of body) {
    for (let at = 0; at < piece.length; ) {
      if (length === PART) {
        yield { bytes: held, isLast: false };
        length = 0;
      } else if (length === held.length) held = grown(held);
      const copied = piece.copy(held, length, at);
      length += copied;
      at += copied;
    }
  }
  yield { bytes: held.subarray(0, length), isLast: true };
}

function grown(held: Buffer): Buffer {
  const larger = Buffer.allocUnsafe(Math.min(PART, held.length * 2));
  held.copy(larger);
  return larger;
}

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('base64');
}
