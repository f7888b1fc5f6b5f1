import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** What one attempt has on the runner's disk. Everything of it goes when the attempt is over. */
export interface AttemptDirectory {
  path: string;
  /** The three that live on from step to step; they belong to the step's user. */
  workspace: string;
  home: string;
  tmp: string;
  /** Mounted read-only: the steps' scripts. */
  scripts: string;
  /** Mounted read-only: the unpacked inputs. */
  inputs: string;
  /** Packed artifacts, before they are uploaded. */
  artifacts: string;
  log: string;
}

export function makeAttemptDirectory(
  attempts: string,
  attempt: string,
  owner: { uid: number; gid: number } | null,
): AttemptDirectory {
  if (!/^[0-9a-z]{8,40}$/.test(attempt)) throw new Error('the server gave an attempt without a valid id');
  const path = join(attempts, attempt);
  const at = (name: string) => join(path, name);
  const directory = {
    path,
    workspace: at('workspace'),
    home: at('home'),
    tmp: at('tmp'),
    scripts: at('scripts'),
    inputs: at('inputs'),
    artifacts: at('artifacts'),
    log: at('log'),
  };
  mkdirSync(path, { mode: 0o711 });
  fill(directory, owner);
  return directory;
}

/** Begins anew, as before the first step; only the log stays. */
export async function emptyAttemptDirectory(
  directory: AttemptDirectory,
  owner: { uid: number; gid: number } | null,
): Promise<void> {
  for (const name of await readdir(directory.path)) {
    if (join(directory.path, name) !== directory.log) await removeTree(join(directory.path, name));
  }
  fill(directory, owner);
}

function fill(directory: AttemptDirectory, owner: { uid: number; gid: number } | null): void {
  for (const name of [directory.scripts, directory.inputs, directory.artifacts])
    mkdirSync(name, { mode: 0o755 });
  for (const name of [directory.workspace, directory.home, directory.tmp]) {
    mkdirSync(name, { mode: 0o755 });
    if (owner) chownSync(name, owner.uid, owner.gid);
  }
  chmodSync(directory.tmp, 0o1777);
}

/** Removes a tree that a build wrote, even where it took its own rights away. Follows no link. */
export async function removeTree(path: string): Promise<void> {
  const options = { recursive: true, force: true, maxRetries: 3 } as const;
  try {
    await rm(path, options);
  } catch {
    await openUp(path);
    await rm(path, options);
  }
}

async function openUp(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await openUp(join(path, name));
}
