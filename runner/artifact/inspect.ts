import { stat } from 'node:fs/promises';
import { Parser, type ReadEntry } from 'tar';
import { type ArtifactLimits, Tally } from './limits.ts';
import { assertLink, type Look } from './links.ts';
import { assertName, assertText, show, Twins } from './names.ts';
import { ArtifactProblem } from './problem.ts';
import { readTar } from './read-tar.ts';

/** An entry of an archive that was found to be harmless; `path` is below the top folder. */
export type Inspected = { path: string; mtime: number } & (
  | { type: 'file'; mode: number }
  | { type: 'directory' }
  | { type: 'link'; target: string }
);

/**
 * Reads a whole archive without writing anything, and refuses (`ArtifactProblem`) whatever packing does not make: other kinds
 * of entries, paths that are not plainly below one top folder, entries below something that is no directory, names that
 * some file systems take for one, links that lead outside, anything after the end, damage, and what goes beyond the
 * limits. Every entry's directory comes before it in the result.
 */
export async function inspectArchive(file: string, limits: ArtifactLimits): Promise<Inspected[]> {
  const inspection = new Inspection(new Tally(limits), (await stat(file)).size);
  await readTar(file, (bytes) => inspection.take(bytes));
  return inspection.end();
}

class Inspection {
  readonly #tally: Tally;
  readonly #compressed: number;
  readonly #parser = new Parser({ strict: true, brotli: false, zstd: false });
  readonly #twins = new Twins();
  readonly #entries = new Map<string, Inspected>();
  #top: string | null = null;
  #problem: unknown = null;
  #begun = false;
  #ending = false;
  #ended = false;

  constructor(tally: Tally, compressed: number) {
    this.#tally = tally;
    this.#compressed = compressed;
    const parser = this.#parser;
    parser.on('entry', (entry: ReadEntry) => {
      this.#guard(() => this.#add(entry));
      entry.resume();
    });
    parser.on('ignoredEntry', (entry: ReadEntry) => {
      this.#problem ??= new ArtifactProblem(`"${show(entry.path)}" is of a kind that no artifact holds.`);
    });
    parser.on('meta', (text: string) => this.#guard(() => assertPax(text)));
    parser.on('nullBlock', () => {
      this.#ending = true;
    });
    parser.on('eof', () => {
      this.#ended = true;
    });
    parser.on('error', (error: Error) => {
      this.#problem ??= new ArtifactProblem(`The archive is damaged: ${error.message}.`);
    });
  }

  /** Takes a piece of the uncompressed archive; throws at the first thing that is wrong. */
  take(chunk: Buffer): void {
    // A piece's worth of padding is usual. The parser ignores it, but would keep any amount of it in memory.
    if (this.#ended) throw new ArtifactProblem('The archive goes on after its end.');
    // The parser would uncompress again, past every limit.
    if (!this.#begun && chunk[0] === 0x1f) throw new ArtifactProblem('The archive is compressed twice.');
    this.#begun = true;
    this.#parser.write(chunk);
    if (this.#problem) throw this.#problem;
  }

  end(): Inspected[] {
    this.#parser.end();
    if (this.#problem) throw this.#problem;
    if (!this.#ended || this.#top === null) throw new ArtifactProblem('The archive ends too early.');
    const look: Look = (path) => {
      const entry = this.#entries.get(path);
      return entry?.type === 'link' ? entry : entry?.type;
    };
    for (const entry of this.#entries.values())
      if (entry.type === 'link') assertLink(entry.path, entry.target, look);
    return [...this.#entries.values()];
  }

  #add(entry: ReadEntry): void {
    if (this.#ending) throw new ArtifactProblem('The archive goes on after its end.');
    if (entry.globalExtended)
      throw new ArtifactProblem('The archive has a global header; no artifact has one.');
    const whole = entry.type === 'Directory' ? entry.path.replace(/\/$/, '') : entry.path;
    assertName(whole);
    if (this.#top === null) {
      this.#top = topFolder(entry, whole);
      return;
    }
    if (!whole.startsWith(`${this.#top}/`))
      throw new ArtifactProblem(`"${whole}" is not below the top folder "${this.#top}".`);
    const path = whole.slice(this.#top.length + 1);
    const inspected = inspect(entry, path);
    this.#tally.entry(path);
    this.#tally.content(path, entry.size);
    this.#tally.assertRatio(this.#compressed);
    this.#twins.add(path);
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (parent !== '' && this.#entries.get(parent)?.type !== 'directory')
      throw new ArtifactProblem(`"${path}" is below "${parent}", which is no directory of the archive.`);
    this.#entries.set(path, inspected);
  }

  #guard(check: () => void): void {
    if (this.#problem) return;
    try {
      check();
    } catch (error) {
      this.#problem = error;
    }
  }
}

function topFolder(entry: ReadEntry, path: string): string {
  if (entry.type === 'Directory' && !path.includes('/')) return path;
  throw new ArtifactProblem(`The archive begins with "${path}" instead of its top folder.`);
}

function inspect(entry: ReadEntry, path: string): Inspected {
  const mtime = entry.mtime?.getTime() ?? Number.NaN;
  const common = { path, mtime: Number.isNaN(mtime) ? 0 : mtime / 1000 };
  if (entry.type !== 'File' && entry.size > 0)
    throw new ArtifactProblem(`"${path}" has content, but is no file.`);
  switch (entry.type) {
    case 'File':
      return { ...common, type: 'file', mode: (entry.mode ?? 0) & 0o100 ? 0o755 : 0o644 };
    case 'Directory':
      return { ...common, type: 'directory' };
    case 'SymbolicLink':
      assertText('link target', entry.linkpath ?? '');
      return { ...common, type: 'link', target: entry.linkpath ?? '' };
    default:
      throw new ArtifactProblem(
        `"${path}" is a ${entry.type}; an artifact holds only files, directories and links.`,
      );
  }
}

/** node-tar cuts a name at a NUL instead of refusing it; a GNU long name ends in one, and is none of ours either. */
function assertPax(text: string): void {
  if (text.includes('\0')) throw new ArtifactProblem('A name in the archive contains a NUL.');
}
