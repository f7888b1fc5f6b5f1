import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from './remove-tree.ts';

/** What one attempt has on the runner's disk. Everything of it goes when the attempt is over. */
export interface AttemptDirectory {
  path: string;
  /** The three that live on from step to step; they belong to the step's user. */
  workspace: string;
  home: string;
  tmp: string;
  /** The unpacked inputs, mounted read-only. Made when there are any. */
  inputs: string;
  /** Packed artifacts, before they are uploaded. Made when there are any. */
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
  for (const name of [directory.workspace, directory.home, directory.tmp]) {
    mkdirSync(name, { mode: 0o755 });
    if (owner) chownSync(name, owner.uid, owner.gid);
  }
  chmodSync(directory.tmp, 0o1777);
}
