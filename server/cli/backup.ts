import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { backUp, CLEAN_UP_MS } from '../backup/back-up.ts';
import { checkInstallation } from '../backup/check.ts';
import { openToRead } from '../backup/copied-database.ts';
import { DATABASE_FILE } from '../backup/format.ts';
import { restore } from '../backup/restore.ts';
import { parseServerConfig, type ServerConfig } from '../config.ts';
import { lockRemovals } from '../lock.ts';
import { openStorage } from '../storage/open.ts';
import { CommandFailure } from './client.ts';
import { bytes } from './print.ts';

/** `reprise backup --to <directory>`: exit code 1 where something was missing or damaged, which the backup names. */
export async function makeBackup(
  env: NodeJS.ProcessEnv,
  o: { to: string; withKey?: boolean; json?: boolean },
): Promise<void> {
  const config = settings(env, 'backup');
  const to = resolve(o.to);
  const head = await backUp(config, { to, withKey: Boolean(o.withKey) });
  if (o.json) console.log(JSON.stringify({ to, ...head }));
  else {
    console.log(`Backed up ${config.dataDir} to ${to}: ${head.files} files, ${bytes(head.bytes)}.`);
    console.log(head.secretKey);
  }
  sayProblems(head.problems, o);
}

/** `reprise restore <backup>`: makes an installation of it in the empty REPRISE_DATA_DIR. */
export async function restoreBackup(
  env: NodeJS.ProcessEnv,
  backup: string,
  o: { json?: boolean },
): Promise<void> {
  const config = settings(env, 'restore');
  const { head, checked } = await restore(config, resolve(backup));
  if (o.json) console.log(JSON.stringify({ dataDir: config.dataDir, ...head, checked }));
  else {
    console.log(
      `Restored the backup of ${head.madeAt} to ${config.dataDir}: ${head.files} files, ${bytes(head.bytes)}, each with its digest.`,
    );
    console.log(head.secretKey);
  }
  sayProblems(checked.problems, o);
}

/** `reprise verify`: whether the installation is whole; exit code 1 where it is not. The server may be running. */
export async function verifyInstallation(env: NodeJS.ProcessEnv, o: { json?: boolean }): Promise<void> {
  const config = settings(env, 'verify');
  const file = join(config.dataDir, DATABASE_FILE);
  if (!existsSync(file)) {
    const sentence = `There is no installation in ${config.dataDir}: set REPRISE_DATA_DIR to the server's.`;
    throw new CommandFailure(sentence, 2);
  }
  // Meanwhile nothing that a record leads to is removed.
  const removals = lockRemovals(config.dataDir, { waitMs: CLEAN_UP_MS });
  if (!removals)
    throw new CommandFailure(`A backup of ${config.dataDir} is being made. Wait for its end.`, 1);
  const db = openToRead(file);
  try {
    await using storage = await openStorage(config.storage, config.dataDir, { besideServer: true });
    const checked = await checkInstallation(db, storage, { withBytes: true });
    if (o.json) console.log(JSON.stringify({ valid: checked.problems.length === 0, ...checked }));
    else if (checked.problems.length === 0) {
      const { objects, entries } = checked;
      console.log(
        `Everything is as it was recorded: the database, ${entries} entries of the audit, ` +
          `${objects} stored objects (${bytes(checked.bytes)}).`,
      );
    }
    sayProblems(checked.problems, o);
  } finally {
    await db.destroy();
    removals.release();
  }
}

function sayProblems(problems: readonly string[], { json }: { json?: boolean }): void {
  if (problems.length === 0) return;
  throw new CommandFailure(json ? '' : problems.join('\n'), 1);
}

/** What stands in place of these verbs where the records are not a file. */
const WITH_DATABASE_URL =
  'is for installations on SQLite. With DATABASE_URL, back up the database with pg_dump (and restore with pg_restore), ' +
  'then copy what it names: the bucket of STORAGE_URL with its own tools (without one, blobs/ and logs/ of every ' +
  "REPRISE_DATA_DIR), each server's mirrors/, and the secret key, which must stay apart from both.";

function settings(env: NodeJS.ProcessEnv, verb: string): ServerConfig {
  if (env['DATABASE_URL']?.trim()) throw new CommandFailure(`reprise ${verb} ${WITH_DATABASE_URL}`, 2);
  const { config, problems } = parseServerConfig(env);
  if (config === null) throw new CommandFailure(problems.join('\n'), 2);
  return config;
}
