import { closeSync, constants, fchmodSync, futimesSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Parser, type ReadEntry } from 'tar';
import type { Inspected } from './inspect.ts';
import { readTar } from './read-tar.ts';

/**
 * Writes the files of an archive that was inspected, each to a place that is free and below directories that are there. By
 * blocking calls, a piece of the archive between two turns of the event loop: node-tar's own extraction takes ten times as
 * long for many small files, and follows the umask.
 */
export async function writeFiles(
  archive: string,
  into: string,
  entries: readonly Inspected[],
): Promise<void> {
  const files = new Map(entries.map((entry) => [entry.path, entry]));
  const parser = new Parser({ strict: true, brotli: false, zstd: false });
  let failure: unknown = null;
  let open: number | null = null;
  const guard = (work: () => void) => {
    if (failure) return;
    try {
      work();
    } catch (error) {
      failure = error;
    }
  };
  parser.on('error', (error: Error) => {
    failure ??= error;
  });
  parser.on('entry', (entry: ReadEntry) => {
    const found = files.get(entry.path.slice(entry.path.indexOf('/') + 1));
    if (found?.type === 'file') {
      guard(() => {
        open = create(join(into, found.path));
      });
      entry.on('data', (bytes: Buffer) => guard(() => open !== null && writeAll(open, bytes)));
      entry.on('end', () =>
        guard(() => {
          if (open === null) return;
          finish(open, found);
          closeSync(open);
          open = null;
        }),
      );
    }
    entry.resume();
  });
  try {
    await readTar(archive, (bytes) => {
      parser.write(bytes);
      if (failure) throw failure;
    });
  } finally {
    if (open !== null) closeSync(open);
  }
}

function create(path: string): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  return openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}

function finish(fd: number, { mode, mtime }: Inspected & { type: 'file' }): void {
  fchmodSync(fd, mode);
  futimesSync(fd, mtime, mtime);
}
