import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh directory that is gone when the test ends: `using dir = tempDir()`. */
export function tempDir(): { path: string; join(...parts: string[]): string } & Disposable {
  const path = mkdtempSync(join(scattering(), 'reprise-test-'));
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/**
 * Where they are made. On ext4 without a journal, as small virtual machines have it, making a file searches past all that
 * were deleted near it in the last minutes, and tests delete a lot: up to ten times the time. Below a directory with the
 * attribute T each directory gets a part of the disk of its own. On other file systems nothing changes.
 */
function scattering(): string {
  const path = join(tmpdir(), `reprise-${process.getuid?.() ?? 'tests'}`);
  if (!existsSync(path)) {
    mkdirSync(path, { recursive: true, mode: 0o755 });
    spawnSync('chattr', ['+T', path], { stdio: 'ignore' });
  }
  return path;
}
