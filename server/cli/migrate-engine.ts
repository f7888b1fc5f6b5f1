import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { parseServerConfig, type ServerConfig } from '../config.ts';
import { CopyFault, copyRecords } from '../db/copy-records.ts';
import { type Databases, openDatabase } from '../db/open.ts';
import { lockDirectory } from '../lock.ts';
import { openLogs } from '../logs/open.ts';
import { copyStorage } from '../storage/copy.ts';
import { openStorage } from '../storage/open.ts';
import { CommandFailure } from './client.ts';
import { bytes, table } from './print.ts';

const FILE = 'reprise.db';

/**
 * `reprise migrate-engine`: moves the SQLite installation in `REPRISE_DATA_DIR`, whose server is stopped, to the engines that the environment
 * names for it: records to `DATABASE_URL`, artifacts and logs to `STORAGE_URL`. Exit code 1 where something was not as it was
 * recorded. The old records are set aside, so that no server starts on them by mistake; nothing is deleted.
 */
export async function migrateEngine(env: NodeJS.ProcessEnv, o: { json?: boolean }): Promise<void> {
  const config = settings(env);
  const lock = lockDirectory(config.dataDir);
  try {
    const moved = await move(config, join(config.dataDir, FILE));
    say(config, moved, o);
  } catch (error) {
    throw error instanceof CopyFault ? new CommandFailure(error.message, 1) : error;
  } finally {
    lock.release();
  }
}

function settings(env: NodeJS.ProcessEnv): ServerConfig {
  const { config, problems } = parseServerConfig(env);
  if (config === null) throw new CommandFailure(problems.join('\n'), 2);
  if (config.databaseUrl === null && config.storage === null)
    throw new CommandFailure(
      'Say where to: set DATABASE_URL, STORAGE_URL or both to what the server shall use from now on.',
      2,
    );
  if (!existsSync(join(config.dataDir, FILE)))
    throw new CommandFailure(
      `There is no ${FILE} in ${config.dataDir}: set REPRISE_DATA_DIR to the data of the installation that is to move.`,
      2,
    );
  return config;
}

interface Moved {
  rows: Map<string, number> | null;
  storage: Awaited<ReturnType<typeof copyStorage>> | null;
}

async function move(config: ServerConfig, file: string): Promise<Moved> {
  const source = await openDatabase(file);
  try {
    await assertAtRest(source);
    const { databaseUrl } = config;
    if (databaseUrl === null) return { rows: null, storage: await moveStorage(config, source) };
    const target = await openDatabase(file, databaseUrl);
    try {
      const storage = await moveStorage(config, source);
      const rows = await copyRecords({ from: source.reader, to: target.db });
      await source.close();
      setAside(file);
      return { rows, storage };
    } finally {
      await target.close();
    }
  } finally {
    await source.close().catch(() => {}); // It is closed already where everything went well.
  }
}

/** What runs would go on writing to the place that is left. */
async function assertAtRest({ reader }: Databases): Promise<void> {
  const { count } = await reader
    .selectFrom('attempts')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('status', '=', 'running')
    .executeTakeFirstOrThrow();
  if (count > 0)
    throw new CommandFailure(
      `${count} jobs are running. Start the server again, drain its runners until nothing runs, stop it, and call this again.`,
      1,
    );
}

async function moveStorage(config: ServerConfig, { db, reader }: Databases): Promise<Moved['storage']> {
  if (config.storage === null) return null;
  const log = pino({ level: 'silent' });
  await using from = await openStorage(null, config.dataDir);
  await using to = await openStorage(config.storage, config.dataDir);
  const running = openLogs(
    { config, db, reader, log, now: Date.now },
    { objects: to.logs, dir: join(config.dataDir, 'logs') },
  );
  try {
    return await copyStorage({ from, to, db, running });
  } finally {
    await running.close();
  }
}

/** A server that is started without `DATABASE_URL` by mistake finds nothing, rather than what was. */
function setAside(file: string): void {
  renameSync(file, `${file}.moved`);
  for (const more of ['-wal', '-shm']) rmSync(`${file}${more}`, { force: true });
}

function say(config: ServerConfig, { rows, storage }: Moved, o: { json?: boolean }): void {
  const problems = storage?.problems ?? [];
  if (o.json) {
    console.log(JSON.stringify({ rows: rows && Object.fromEntries(rows), storage }));
  } else {
    if (rows !== null) {
      console.log(
        table(
          ['table', 'rows'],
          [...rows].map(([name, count]) => [name, String(count)]),
        ),
      );
      console.log('\nEvery row is in the database at DATABASE_URL as it was.');
      console.log(`The old records are kept as ${join(config.dataDir, `${FILE}.moved`)}.`);
    }
    if (storage !== null)
      console.log(
        `${storage.blobs} blobs and ${storage.logs} logs (${bytes(storage.bytes)}) are in the storage.`,
      );
    console.log('Start the server with the same settings: it goes on where it was.');
  }
  if (problems.length > 0) throw new CommandFailure(o.json ? '' : problems.join('\n'), 1);
}
