import { createReadStream, existsSync } from 'node:fs';
import { open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import type { ServerConfig } from '../config.ts';
import type { Database } from '../db/schema.ts';
import { lockRemovals } from '../lock.ts';
import type { StoredObject } from '../storage/objects.ts';
import { openStorage, type Storage } from '../storage/open.ts';
import { VERSION } from '../version.ts';
import { copyDatabase, migrationsOf, openToRead, problemsOfDatabase } from './copied-database.ts';
import { type BackupHead, DATABASE_FILE, FORMAT, HEAD_FILE, KEY_FILE, KNOWN_HOSTS_FILE } from './format.ts';
import { keptObjects } from './kept-bytes.ts';
import { bundleMirror, mirrorOf } from './mirror-bundle.ts';
import { BackupWriting } from './writing.ts';

/** Longest wait for a clean-up that is removing something: those work in small batches. */
export const CLEAN_UP_MS = 60_000;

/**
 * Writes a whole installation on SQLite into the directory `to`, while its server may be running: the database as it is at
 * one moment, then every artifact and log that this leads to, every mirror as a bundle, and the known hosts. What has no or
 * wrong bytes is named in the head's `problems`; the rest is copied all the same. The secret key comes along only `withKey`.
 */
export async function backUp(
  config: Pick<ServerConfig, 'dataDir' | 'storage' | 'secretKey'>,
  { to, withKey }: { to: string; withKey: boolean },
): Promise<BackupHead> {
  const { dataDir } = config;
  const database = join(dataDir, DATABASE_FILE);
  if (!existsSync(database))
    throw new Error(`There is no installation in ${dataDir}: set REPRISE_DATA_DIR to the server's.`);
  await using stack = new AsyncDisposableStack();
  const writing = stack.use(await BackupWriting.begin(to));
  const removals = lockRemovals(dataDir, { waitMs: CLEAN_UP_MS });
  if (!removals) throw new Error(`Another backup of ${dataDir} is being made. Wait for its end.`);
  stack.defer(() => removals.release());
  const storage = stack.use(await openStorage(config.storage, dataDir, { besideServer: true }));

  await copyDatabase(database, await writing.place(DATABASE_FILE));
  await writing.addWritten(DATABASE_FILE);
  const db = openToRead(join(to, DATABASE_FILE));
  stack.defer(() => db.destroy());
  const problems = await problemsOfDatabase(db);
  await addObjects({ writing, db, storage, problems });
  await addMirrors({ writing, db, dataDir, problems });
  await addFile(writing, dataDir, KNOWN_HOSTS_FILE);
  if (withKey) await addFile(writing, dataDir, KEY_FILE);

  const head: BackupHead = {
    format: FORMAT,
    reprise: VERSION,
    madeAt: new Date().toISOString(),
    migrations: await migrationsOf(db),
    files: writing.files,
    bytes: writing.bytes,
    sums: await writing.finish(),
    secretKey: aboutKey(config, withKey),
    problems,
  };
  await finish(to, head);
  return head;
}

interface Work {
  writing: BackupWriting;
  db: Kysely<Database>;
  problems: string[];
}

async function addObjects({ writing, db, storage, problems }: Work & { storage: Storage }): Promise<void> {
  const written = new Set<string>();
  for await (const { store, key, what, sha256, isNeeded } of keptObjects(db)) {
    const path = `${store}/${key}`;
    // An artifact's list of files may be another's artifact.
    if (store === 'blobs' && written.has(path)) continue;
    const object = await storage[store].open(key);
    if (!object) {
      if (isNeeded) problems.push(`The bytes of ${what} are missing (${path}).`);
      continue;
    }
    const copied = await writing.add(path, asItIs(object));
    if (store === 'blobs') written.add(path);
    if (sha256 !== null && copied !== sha256)
      problems.push(
        `The bytes of ${what} are not what was recorded (${path}); they were copied as they are.`,
      );
  }
}

/** A running log may grow meanwhile: what is there now is copied. */
async function* asItIs(object: StoredObject): AsyncGenerator<Buffer> {
  yield* (await object.stream({ start: 0, end: object.size })) as AsyncIterable<Buffer>;
}

async function addMirrors({ writing, db, dataDir, problems }: Work & { dataDir: string }): Promise<void> {
  for (const { id, name } of await db
    .selectFrom('projects')
    .select(['id', 'name'])
    .orderBy('name')
    .execute()) {
    const path = `mirrors/${id}.bundle`;
    try {
      if (await bundleMirror(mirrorOf(dataDir, id), await writing.place(path)))
        await writing.addWritten(path);
    } catch (error) {
      problems.push(`The mirror of ${name} is not in the backup: ${(error as Error).message}`);
    }
  }
}

async function addFile(writing: BackupWriting, dataDir: string, path: string): Promise<void> {
  const file = join(dataDir, path);
  if (existsSync(file)) await writing.add(path, createReadStream(file));
}

function aboutKey(
  { dataDir, secretKey }: Pick<ServerConfig, 'dataDir' | 'secretKey'>,
  withKey: boolean,
): string {
  if (secretKey !== null)
    return 'The secret key is not in this backup: it was set as REPRISE_SECRET_KEY. Without it stored secrets cannot be read.';
  if (withKey)
    return 'The secret key is in this backup: whoever has it reads every stored secret. Keep it safe.';
  return (
    `The secret key (${join(dataDir, KEY_FILE)}) is not in this backup: keep a copy of it elsewhere. ` +
    'Without it stored secrets cannot be read.'
  );
}

/** The head comes into being whole, when everything else is on the disk. */
async function finish(to: string, head: BackupHead): Promise<void> {
  const fresh = join(to, `${HEAD_FILE}.new`);
  await writeFile(fresh, `${JSON.stringify(head, null, 2)}\n`, { flush: true, mode: 0o600 });
  await rename(fresh, join(to, HEAD_FILE));
  await using directory = await open(to, 'r');
  await directory.sync();
}
