import { chmodSync, lstatSync, lutimesSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Inspected, inspectArchive } from './inspect.ts';
import { ARTIFACT_LIMITS, type ArtifactLimits } from './limits.ts';
import { ArtifactProblem } from './problem.ts';
import { writeFiles } from './write-files.ts';

export interface UnpackOptions {
  /** An artifact's tarball. Must not change meanwhile: it is read twice. */
  file: string;
  /**
   * Where its content goes, without the top folder; made when missing. May hold things already: directories are shared, a
   * file of the same name is replaced, and nothing is ever written through a link. No process of a job may be at work there.
   */
  into: string;
  limits?: ArtifactLimits;
}

/** Entries handled in one go before other work of the process gets its turn. */
const TURN = 500;

/**
 * Unpacks an artifact that a job has as input. First the whole archive is inspected, and refused with an `ArtifactProblem`
 * where it is not one that packing makes; only then is anything written. Modes are 0644 or 0755 and times those in the
 * archive, whatever the umask; set-user-id bits and owners in the archive mean nothing.
 */
export async function unpackInput({ file, into, limits = ARTIFACT_LIMITS }: UnpackOptions): Promise<void> {
  const entries = await inspectArchive(file, limits);
  await mkdir(into, { recursive: true });
  await forEach(entries, (entry) => makeWay(into, entry));
  await writeFiles(file, into, entries);
  // Links come now, where nothing is written through them any more. What is in a directory precedes it, so that the
  // directory's time stays as set.
  await forEach(entries.toReversed(), (entry) => complete(into, entry));
}

/**
 * Makes each directory, and removes what a file or link replaces; refuses what it cannot. Parents come first, so that no
 * link is on the way to what is looked at.
 */
function makeWay(into: string, { path, type }: Inspected): void {
  const at = join(into, path);
  const there = lstatSync(at, { throwIfNoEntry: false });
  if (there && (type === 'directory') !== there.isDirectory())
    throw new ArtifactProblem(
      `The ${type} "${path}" of the input cannot be unpacked: something of that name is in its way.`,
    );
  if (type !== 'directory') rmSync(at, { force: true });
  else if (!there) mkdirSync(at);
}

function complete(into: string, entry: Inspected): void {
  if (entry.type === 'file') return;
  const at = join(into, entry.path);
  if (entry.type === 'link') symlinkSync(entry.target, at);
  else chmodSync(at, 0o755);
  lutimesSync(at, entry.mtime, entry.mtime);
}

async function forEach<T>(items: readonly T[], work: (item: T) => void): Promise<void> {
  for (const [index, item] of items.entries()) {
    work(item);
    if (index % TURN === TURN - 1) await setImmediate();
  }
}
