import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A real file system of a few bytes, to be filled. Where this process may not mount one the test is skipped; under CI it fails. */
export function smallDisk(bytes: number, { skip }: { skip(why: string): never }): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), 'reprise-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: 'ignore' });
  } catch (cause) {
    rmSync(path, { recursive: true });
    const why = 'a file system cannot be mounted here';
    if (process.env['CI'] === 'true') throw new Error(`This test cannot run: ${why}.`, { cause });
    return skip(why);
  }
  const ballast = join(path, 'ballast');
  return {
    path,
    fill(left) {
      const size = Number(
        execFileSync('df', ['--output=avail', '-B1', path], { encoding: 'utf8' }).split('\n')[1],
      );
      writeFileSync(ballast, Buffer.alloc(Math.max(0, size - left)));
    },
    free: () => rmSync(ballast, { force: true }),
    [Symbol.dispose]() {
      execFileSync('umount', ['--lazy', path]);
      rmSync(path, { recursive: true });
    },
  };
}

export interface SmallDisk extends Disposable {
  path: string;
  /** Fills it up to the last `left` bytes (whole pages). */
  fill(left: number): void;
  /** Takes that away again. */
  free(): void;
}
