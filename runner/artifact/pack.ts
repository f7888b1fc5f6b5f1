import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import { type FileHandle, mkdir, open, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactDefinition } from '@reprise/pipelines/model.ts';
import type { ManifestEntry, PackedArtifact } from '../protocol.ts';
import { type Collected, collect, readable } from './collect.ts';
import { GzipFile } from './gzip-file.ts';
import { ARTIFACT_LIMITS, type ArtifactLimits, Tally } from './limits.ts';
import { manifestEnd, manifestLine, TreeDigest } from './manifest.ts';
import { show } from './names.ts';
import { ArtifactProblem } from './problem.ts';
import { padding, TAR_END, tarHeader } from './tar-blocks.ts';

export interface PackOptions {
  /** Where the job worked. No process of the job may be left: what changes while it is read is a fault. */
  workspace: string;
  artifact: ArtifactDefinition;
  version: string;
  /** The commit's committer time, seconds since 1970: the time of every entry. */
  commitTime: number;
  /** A directory of the runner's own, outside the workspace; made when missing. */
  into: string;
  signal: AbortSignal;
  limits?: ArtifactLimits;
}

/** `file` and `manifestFile` are the two blobs to upload. `why` is a sentence for the job's log, naming what is at fault. */
export type Packing =
  | { ok: true; packed: PackedArtifact; file: string; manifestFile: string }
  | { ok: false; why: string };

/** 8.64e12 s is the last instant that a JavaScript Date, and so node-tar, can say. */
const LAST_TIME = 8.64e12;

/**
 * Packs a job's artifact: the same tree gives the same bytes, whatever the umask, time zone, locale, user, path or the order
 * in which the files were made. What the pipeline file asks for and cannot be had is `ok: false`; anything else that goes
 * wrong (no space, a file that changes while it is read) throws. Leaves nothing behind then, or when `signal` is aborted.
 */
export async function packArtifact(options: PackOptions): Promise<Packing> {
  const { artifact, version, into } = options;
  const fileName = `${artifact.name}-${version}.tar.gz`;
  const file = join(into, fileName);
  const manifestFile = join(into, `${fileName}.manifest.json`);
  try {
    assertNames(options, fileName);
    await mkdir(into, { recursive: true });
    return { ok: true, packed: await pack(options, { fileName, file, manifestFile }), file, manifestFile };
  } catch (error) {
    await Promise.all([rm(file, { force: true }), rm(manifestFile, { force: true })]);
    if (error instanceof ArtifactProblem)
      return { ok: false, why: `The artifact ${artifact.name} cannot be packed. ${error.message}` };
    throw error;
  }
}

function assertNames({ version, commitTime }: PackOptions, fileName: string): void {
  if (!/^[0-9A-Za-z.+-]+$/.test(version))
    throw new Error(
      `"${show(version)}" is not a version: only letters, digits, ".", "+" and "-" can be part of one.`,
    );
  if (fileName.length > 255)
    throw new ArtifactProblem(`Its file name would have ${fileName.length} characters; 255 are possible.`);
  if (!Number.isSafeInteger(commitTime) || Math.abs(commitTime) > LAST_TIME)
    throw new ArtifactProblem(`The commit's time, ${commitTime} s since 1970, is beyond every calendar.`);
}

interface Names {
  fileName: string;
  file: string;
  manifestFile: string;
}

async function pack(options: PackOptions, { fileName, file, manifestFile }: Names): Promise<PackedArtifact> {
  const { artifact, version, commitTime: mtime, signal } = options;
  const workspace = await realpath(options.workspace);
  const tally = new Tally(options.limits ?? ARTIFACT_LIMITS);
  const entries = await collect(workspace, artifact, { tally, signal });
  await using gzip = await GzipFile.create(file);
  await using manifest = await ManifestFile.create(manifestFile);
  const top = `${artifact.name}-${version}`;
  await gzip.write(tarHeader({ path: top, type: 'Directory', mode: 0o755, size: 0, mtime }));
  for (const entry of entries) {
    signal.throwIfAborted();
    await manifest.add(await packEntry(entry, { workspace, top, mtime, gzip, tally }));
  }
  await gzip.write(TAR_END);
  const { size, sha256 } = await gzip.end();
  tally.assertRatio(size);
  const { treeSha256, manifestSha256 } = await manifest.end();
  return { name: artifact.name, fileName, sha256, treeSha256, size, manifestSha256 };
}

interface Packer {
  workspace: string;
  top: string;
  mtime: number;
  gzip: GzipFile;
  tally: Tally;
}

async function packEntry(entry: Collected, packer: Packer): Promise<ManifestEntry> {
  const { top, mtime, gzip } = packer;
  const path = `${top}/${entry.path}`;
  switch (entry.type) {
    case 'directory':
      await gzip.write(tarHeader({ path, type: 'Directory', mode: 0o755, size: 0, mtime }));
      return { type: 'directory', path: entry.path, mode: '0755' };
    case 'link':
      await gzip.write(
        tarHeader({ path, type: 'SymbolicLink', mode: 0o755, size: 0, mtime, linkpath: entry.target }),
      );
      return { type: 'link', path: entry.path, target: entry.target };
    case 'file':
      return packFile(entry.path, packer);
  }
}

/**
 * Files are read by blocking calls, a slab at most between two turns of the event loop: they were written moments ago, and a
 * thread's round trip for each of ten thousand small ones costs more than reading them.
 */
async function packFile(
  path: string,
  { workspace, top, mtime, gzip, tally }: Packer,
): Promise<ManifestEntry> {
  const fd = openInside(workspace, path);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile())
      throw new Error(`"${show(path)}" stopped being a file while the artifact was packed.`);
    const { size } = stats;
    tally.content(path, size);
    const mode = stats.mode & 0o100 ? 0o755 : 0o644;
    await gzip.write(tarHeader({ path: `${top}/${path}`, type: 'File', mode, size, mtime }));
    const hash = createHash('sha256');
    for (let left = size; left > 0; ) {
      const room = await gzip.room();
      const read = readSync(fd, room, 0, Math.min(room.length, left), null);
      if (read === 0) throw new Error(`"${show(path)}" became shorter while the artifact was packed.`);
      hash.update(room.subarray(0, read));
      gzip.filled(read);
      left -= read;
    }
    if (fstatSync(fd).size !== size) throw new Error(`"${show(path)}" grew while the artifact was packed.`);
    await gzip.write(TAR_END.subarray(0, padding(size)));
    return { type: 'file', path, mode: mode === 0o755 ? '0755' : '0644', size, sha256: hash.digest('hex') };
  } finally {
    closeSync(fd);
  }
}

/**
 * Opens without following a link anywhere on the way: the kernel refuses one as the last component, and for the directories
 * before it says afterwards which path was opened. Never waits, as opening a pipe would.
 */
function openInside(workspace: string, path: string): number {
  const whole = join(workspace, path);
  const fd = readable(path, () =>
    openSync(whole, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
  );
  if (readlinkSync(`/proc/self/fd/${fd}`) === whole) return fd;
  closeSync(fd);
  throw new Error(`"${show(path)}" moved while the artifact was packed.`);
}

/** Writes the manifest while the artifact is packed; collects both digests on the way. */
class ManifestFile implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  readonly #tree = new TreeDigest();
  #text = '';
  #empty = true;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async create(path: string): Promise<ManifestFile> {
    return new ManifestFile(await open(path, 'wx', 0o600));
  }

  async add(entry: ManifestEntry): Promise<void> {
    this.#tree.add(entry);
    this.#text += manifestLine(entry, this.#empty);
    this.#empty = false;
    if (this.#text.length > 64 * 1024) await this.#flush();
  }

  async end(): Promise<{ treeSha256: string; manifestSha256: string }> {
    this.#text += manifestEnd(this.#empty);
    await this.#flush();
    return { treeSha256: this.#tree.hex(), manifestSha256: this.#hash.digest('hex') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    this.#hash.update(bytes);
    await this.#file.writeFile(bytes);
  }
}
