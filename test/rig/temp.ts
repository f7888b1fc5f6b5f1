import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh directory that is gone when the test ends: `using dir = tempDir()`. */
export function tempDir(): { path: string; join(...parts: string[]): string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'reprise-test-'));
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}
