import { randomUUID } from 'node:crypto';
import { readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { chmod, lstat, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A workspace of fewer entries goes at once; that takes a millisecond or two, a tenth of what it costs piece by piece. */
const AT_ONCE = 200;

/** A build can nest directories deeper than the 4,096 bytes that a path may have; below this there is no need to mind. */
const DEEP = 1024;

/** Removes a tree that a build wrote, even where it took its own rights away or nested it too
 * deeply for a path. Follows no link. */
export async function removeTree(path: string): Promise<void> {
  try {
    if (removeNow(path, { left: AT_ONCE })) return;
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    await openUp(path, path).catch(ignoreMissing);
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** False when there are more entries than may be left; what was removed until then is gone. */
function removeNow(directory: string, budget: { left: number }): boolean {
  const entries = readdirSync(directory, { withFileTypes: true });
  budget.left -= entries.length;
  if (budget.left < 0) return false;
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (!entry.isDirectory()) unlinkSync(path);
    else if (!removeNow(path, budget)) return false;
  }
  rmdirSync(directory);
  return true;
}

/** Gives the rights back, and moves what lies deeper than a path may be long up to the root. */
async function openUp(path: string, root: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o700);
  if (path.length > root.length + DEEP) {
    const raised = join(root, `deep-${randomUUID()}`);
    await rename(path, raised);
    return openUp(raised, root);
  }
  for (const name of await readdir(path)) await openUp(join(path, name), root);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
