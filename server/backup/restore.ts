import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ServerConfig } from '../config.ts';
import { unknownMigrations } from '../db/migrate.ts';
import { lockDirectory } from '../lock.ts';
import { openStorage, type Storage } from '../storage/open.ts';
import { type Checked, checkInstallation } from './check.ts';
import { openToRead } from './copied-database.ts';
import { type BackupHead, DATABASE_FILE, digestOf, KEY_FILE, readHead, readSums } from './format.ts';
import { mirrorOf, unbundleMirror } from './mirror-bundle.ts';

/** What was restored: what the backup says of itself, and what was found when it was looked over. */
export interface Restored {
  head: BackupHead;
  checked: Checked;
}

/**
 * Makes an installation of a backup in the empty data directory. Every byte is checked against its digest on its way; the
 * database comes last, so that nothing starts on half an installation. Whatever fails leaves the directory empty again.
 * Throws a sentence: not empty, no backup, made by a newer Reprise, or damaged.
 */
export async function restore(
  config: Pick<ServerConfig, 'dataDir' | 'storage'>,
  backup: string,
): Promise<Restored> {
  const { dataDir } = config;
  const head = await readHead(backup);
  if (unknownMigrations(head.migrations).length > 0)
    throw new Error(`${backup} was made by a newer Reprise (${head.reprise}): restore it with that one.`);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  if ((await readdir(dataDir)).length > 0)
    throw new Error(`${dataDir} is not empty: a backup is restored into an empty data directory.`);

  const lock = lockDirectory(dataDir);
  try {
    await using storage = await openStorage(config.storage, dataDir);
    for await (const part of readSums(backup, head)) await restorePart({ backup, dataDir, storage }, part);
    const database = join(dataDir, `${DATABASE_FILE}.restoring`);
    const checked = await checkRestored(database, storage);
    await rename(database, join(dataDir, DATABASE_FILE));
    await using directory = await open(dataDir, 'r');
    await directory.sync();
    return { head, checked };
  } catch (error) {
    for (const name of await readdir(dataDir))
      await rm(join(dataDir, name), { recursive: true, force: true });
    throw error;
  } finally {
    lock.release();
  }
}

interface Places {
  backup: string;
  dataDir: string;
  storage: Storage;
}

async function restorePart(
  { backup, dataDir, storage }: Places,
  { path, sha256 }: { path: string; sha256: string },
): Promise<void> {
  const from = join(backup, path);
  const [folder = '', ...rest] = path.split('/');
  const key = rest.join('/');
  if (folder === 'blobs' || folder === 'logs') {
    await storage[folder].put(key, checkedFile(from, sha256));
    return;
  }
  if (folder === 'mirrors') {
    if ((await digestOf(from).catch(missing(from))) !== sha256) throw damaged(from);
    await mkdir(join(dataDir, 'mirrors'), { recursive: true, mode: 0o700 });
    await unbundleMirror(from, mirrorOf(dataDir, key.replace('.bundle', '')));
    return;
  }
  const to = join(dataDir, path === DATABASE_FILE ? `${path}.restoring` : path);
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await using file = await open(to, 'wx', path === KEY_FILE ? 0o400 : 0o600);
  for await (const piece of checkedFile(from, sha256)) await file.writeFile(piece);
  await file.sync();
}

async function checkRestored(database: string, storage: Storage): Promise<Checked> {
  const db = openToRead(database);
  try {
    return await checkInstallation(db, storage, { withBytes: false });
  } finally {
    await db.destroy();
  }
}

/** A file's bytes; throws at their end where they do not have the digest, so that nothing of them is kept. */
async function* checkedFile(path: string, sha256: string): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 256 * 1024 })) {
      hash.update(piece);
      yield piece;
    }
  } catch (error) {
    missing(path)(error);
  }
  if (hash.digest('hex') !== sha256) throw damaged(path);
}

function missing(path: string): (error: unknown) => never {
  return (cause) => {
    throw new Error(`The backup is not whole: ${path} cannot be read.`, { cause });
  };
}

function damaged(path: string): Error {
  return new Error(`The backup is damaged: ${path} does not have its digest. Nothing was restored.`);
}
