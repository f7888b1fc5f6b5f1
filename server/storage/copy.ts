import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { BlobStore } from '../artifacts/blob.store.ts';
import { keptBlobs } from '../backup/kept-bytes.ts';
import type { Database } from '../db/schema.ts';
import type { LogStore } from '../logs/log.store.ts';
import type { ObjectStore, StoredObject } from './objects.ts';
import type { Storage } from './open.ts';

/** What was copied; `problems` are sentences about what could not be, or is not what was recorded. */
export interface Copied {
  blobs: number;
  logs: number;
  bytes: number;
  problems: string[];
}

/**
 * Copies an installation's storage into another, while no server runs on either: every blob, checked against its digest at
 * both ends, and every log, checked against the digest recorded for its attempt. `db` is the database that the installation
 * goes on with, its rows already moved; logs of attempts that still run become rows of it through `running`. What is there
 * already is left, so that copying may be repeated. Says at the end which blobs that records lead to are nowhere.
 */
export async function copyStorage(o: {
  from: Storage;
  to: Storage;
  db: Kysely<Database>;
  running: LogStore;
}): Promise<Copied> {
  const copied: Copied = { blobs: 0, logs: 0, bytes: 0, problems: [] };
  await copyBlobs(o, copied);
  for await (const { key } of o.from.logs.list()) {
    if (key.endsWith('.log')) await copyLog(o, key, copied);
  }
  return copied;
}

type Ends = Parameters<typeof copyStorage>[0];

async function copyBlobs({ from, to, db }: Ends, copied: Copied): Promise<void> {
  const source = new BlobStore(from.blobs);
  const target = new BlobStore(to.blobs);
  for await (const { key } of from.blobs.list()) {
    const sha256 = key.slice(3);
    if (await target.has(sha256)) continue;
    const size = await source.size(sha256);
    if (size === null) {
      copied.problems.push(`The blob ${sha256} is damaged and was not copied.`);
      continue;
    }
    const { stream } = await source.openVerified(sha256);
    await target.put(sha256, stream, { limit: size });
    copied.blobs += 1;
    copied.bytes += size;
  }
  const missing = new Set<string>();
  for await (const { sha256, what } of keptBlobs(db)) {
    if (missing.has(sha256) || (await target.has(sha256))) continue;
    missing.add(sha256);
    copied.problems.push(`The blob ${sha256} of ${what} is in neither storage.`);
  }
}

async function copyLog({ from, to, db, running }: Ends, key: string, copied: Copied): Promise<void> {
  const attempt = key.slice(3, -'.log'.length);
  const recorded = await db
    .selectFrom('attempts')
    .select(['status', 'log_size', 'log_sha256'])
    .where('id', '=', attempt)
    .executeTakeFirst();
  if (!recorded) {
    copied.problems.push(`The log ${key} is of no attempt that is recorded, and was not copied.`);
    return;
  }
  const log = await from.logs.open(key);
  if (!log) return;
  copied.logs += 1;
  copied.bytes += log.size;
  const { body, sha256 } = hashed(log);
  if (recorded.status === 'running') {
    let at = 0;
    for await (const piece of body) {
      await running.append(attempt, at, piece, Date.now());
      at += piece.length;
    }
    return;
  }
  await to.logs.put(key, body);
  await copyIndex(from.logs, to.logs, `${key}.lines`);
  if (recorded.log_sha256 !== null && recorded.log_sha256 !== sha256())
    copied.problems.push(`The log ${key} is not what was recorded; it was copied as it is.`);
}

async function copyIndex(from: ObjectStore, to: ObjectStore, key: string): Promise<void> {
  const index = await from.open(key);
  if (index) await to.put(key, hashed(index).body);
}

/** An object's bytes, closed when they have been read, and then their digest. */
function hashed(object: StoredObject): { body: AsyncGenerator<Buffer>; sha256(): string } {
  const hash = createHash('sha256');
  async function* read() {
    try {
      for await (const piece of object.all()) {
        hash.update(piece);
        yield piece;
      }
    } finally {
      await object.close();
    }
  }
  return { body: read(), sha256: () => hash.digest('hex') };
}
