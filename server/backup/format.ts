import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { sha256Of } from '../digest.ts';

/** Raised when an older Reprise could no longer restore what is written. */
export const FORMAT = 1;

/** Written last: a directory without it is no backup. */
export const HEAD_FILE = 'backup.json';
/** Every other file's digest, as `sha256sum` writes and checks them. */
export const SUMS_FILE = 'SHA256SUMS';
export const DATABASE_FILE = 'reprise.db';
export const KEY_FILE = 'secret.key';
export const KNOWN_HOSTS_FILE = 'ssh/known_hosts';

const headSchema = z.object({
  format: z.number().int(),
  reprise: z.string(),
  madeAt: z.iso.datetime(),
  /** Names of the database's migrations: a Reprise that does not know one of them is too old. */
  migrations: z.array(z.string()),
  files: z.number().int(),
  bytes: z.number().int(),
  /** sha256 of `SHA256SUMS`. */
  sums: z.string(),
  secretKey: z.string(),
  problems: z.array(z.string()),
});
/** What a backup says of itself. `secretKey` is a sentence; `problems` say what was damaged or missing when it was made. */
export type BackupHead = z.infer<typeof headSchema>;

/** Reads what a backup says of itself. Throws a sentence where it is none, or not one this Reprise can read. */
export async function readHead(directory: string): Promise<BackupHead> {
  const text = await readFile(join(directory, HEAD_FILE), 'utf8').catch((cause) => {
    const sentence = `${directory} is not a backup, or one that was not finished: it has no ${HEAD_FILE}.`;
    throw new Error(sentence, { cause });
  });
  const format = z.object({ format: z.number() }).safeParse(parse(text)).data?.format ?? 0;
  if (format > FORMAT)
    throw new Error(`${directory} was made by a newer Reprise (format ${format}): restore it with that one.`);
  const head = headSchema.safeParse(parse(text));
  if (!head.success)
    throw new Error(`${join(directory, HEAD_FILE)} is damaged: it does not say what it must.`);
  return head.data;
}

/** Every file of a backup with its digest, in the order they were written. Throws where the list is not the head's. */
export async function* readSums(
  directory: string,
  head: BackupHead,
): AsyncGenerator<{ path: string; sha256: string }> {
  const file = join(directory, SUMS_FILE);
  if ((await digestOf(file)) !== head.sums)
    throw new Error(`${file} is damaged: its digest is not the one in ${HEAD_FILE}.`);
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const [, sha256 = '', path = ''] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    if (!isPart(path)) throw new Error(`${file} names "${path}", which is no part of a backup.`);
    yield { path, sha256 };
  }
}

/** sha256 (lower-case hex) of a file. */
export function digestOf(file: string): Promise<string> {
  return sha256Of(createReadStream(file, { highWaterMark: 256 * 1024 }));
}

/** Only these are ever written below a data directory, whatever a list of files says. */
function isPart(path: string): boolean {
  return (
    [DATABASE_FILE, KEY_FILE, KNOWN_HOSTS_FILE].includes(path) ||
    /^(blobs|logs)\/[0-9a-z]{2}\/[0-9a-z]+(\.[a-z]+)*$/.test(path) ||
    /^mirrors\/[0-9a-z]+\.bundle$/.test(path)
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
