import { randomBytes } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { kept } from './kept.ts';
import { removeTree } from './remove-tree.ts';

/** The runner's data directory, held by this process alone. */
export interface DataDir {
  path: string;
  /** Random, the same after every restart: by it the server knows the runner that comes back. */
  instance: string;
  /** Where a runner that nobody added keeps the token it made for itself. */
  token: string;
  mirrors: string;
  /** One directory per attempt; all of them are leftovers when a runner starts. */
  attempts: string;
  /** The sandbox's own things. */
  sandbox: string;
  release(): Promise<void>;
}

/** Another process already works in the data directory. */
export class DataDirInUse extends Error {}

/**
 * Opens and locks the directory and removes what a runner that was killed has left there: workspaces, half-written logs. Throws
 * `DataDirInUse` while another process holds it.
 */
export async function openDataDir(path: string): Promise<DataDir> {
  const paths = {
    mirrors: join(path, 'mirrors'),
    attempts: join(path, 'attempts'),
    sandbox: join(path, 'sandbox'),
  };
  // 0711: steps' users pass through to their own workspace and list nothing.
  mkdirSync(path, { recursive: true, mode: 0o711 });
  const lock = await takeLock(path);
  await removeTree(paths.attempts);
  for (const directory of Object.values(paths)) mkdirSync(directory, { recursive: true, mode: 0o711 });
  return {
    path,
    ...paths,
    token: join(path, 'token'),
    instance: kept(join(path, 'instance'), /^[0-9a-z]{8,40}$/, randomId),
    release: () => new Promise((resolve) => lock.close(() => resolve())),
  };
}

/**
 * The lock is an abstract socket named after the directory's inode: the kernel gives it to one process, and takes it back
 * the moment that process is gone, however it died. So there is no stale lock to judge.
 */
async function takeLock(path: string): Promise<Server> {
  const { dev, ino } = statSync(path);
  const server = createServer((connection) => connection.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return reject(error);
      reject(
        new DataDirInUse(
          `Another runner already works in ${path}. Stop it, or give this one a REPRISE_DATA_DIR of its own.`,
        ),
      );
    });
    server.listen(`\0reprise-runner-${dev}-${ino}`, resolve);
  });
  return server.unref();
}

/** 26 characters of `[0-9a-f]`: an id that nobody else makes. */
export function randomId(): string {
  return randomBytes(13).toString('hex');
}
