import { type Dirent, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { ArtifactDefinition } from '@reprise/pipelines/model.ts';
import type { Tally } from './limits.ts';
import { assertLink } from './links.ts';
import { assertName, assertText, show, sortByBytes, Twins } from './names.ts';
import { ArtifactProblem } from './problem.ts';
import { globReach, matcher, readSelection, type Selection } from './selection.ts';

/** Something to be packed. `path` is relative to the workspace, and so to the artifact's top folder. */
export type Collected =
  | { path: string; type: 'file' | 'directory' }
  | { path: string; type: 'link'; target: string };

/** Directories read in one go before other work of the process gets its turn. */
const TURN = 64;

/**
 * Finds what an artifact is made of, in the artifact's order, with every directory that leads to it. Follows no link and
 * opens nothing but directories. A glob that matches a directory means all of it, as in a shell; `.git` at the workspace's
 * top is never part of an artifact. Throws `ArtifactProblem` naming what cannot be packed, or matches nothing.
 */
export async function collect(
  workspace: string,
  definition: Pick<ArtifactDefinition, 'paths' | 'exclude'>,
  { tally, signal }: { tally: Tally; signal: AbortSignal },
): Promise<Collected[]> {
  const excludes = definition.exclude.map((written) => readSelection(written, 'exclude').text);
  const walk = new Walk(workspace, matcher(excludes), { tally, signal });
  for (const written of definition.paths) {
    const selection = readSelection(written, 'paths');
    if (!(await walk.take(selection)))
      throw new ArtifactProblem(
        `"${written}" under the artifact's paths matches nothing${excludes.length > 0 ? ' that is not excluded' : ''} in the workspace. Does a step make it?`,
      );
  }
  const found = walk.found;
  const twins = new Twins();
  for (const entry of found.values()) {
    twins.add(entry.path);
    if (entry.type === 'link')
      assertLink(entry.path, entry.target, (path) => {
        const there = found.get(path);
        return there?.type === 'link' ? there : there?.type;
      });
  }
  return sortByBytes(found.values());
}

/** Opens something of the workspace; a job may have taken its own right to read it away. */
export function readable<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    throw new ArtifactProblem(
      `"${show(path)}" cannot be read: its mode does not allow it. Give its owner that right or exclude it.`,
    );
  }
}

class Walk {
  readonly found = new Map<string, Collected>();
  readonly #workspace: string;
  readonly #isExcluded: (path: string) => boolean;
  readonly #signal: AbortSignal;
  readonly #tally: Tally;
  #read = 0;

  constructor(
    workspace: string,
    isExcluded: (path: string) => boolean,
    { tally, signal }: { tally: Tally; signal: AbortSignal },
  ) {
    this.#workspace = workspace;
    this.#isExcluded = isExcluded;
    this.#signal = signal;
    this.#tally = tally;
  }

  /** Adds what one selection means; false where that is nothing. A name that exists is meant literally, even `[id]`. */
  async take({ written, text }: Selection): Promise<boolean> {
    if (text === '') return this.#takeBelow('');
    if (text === '.git' || text.startsWith('.git/'))
      throw new ArtifactProblem(
        `"${written}" is git's own directory, which differs from machine to machine and is never packed.`,
      );
    const stats = this.#lookUp(text);
    if (stats) return this.#takeWhole(text, stats);
    const { base, depth } = globReach(text);
    if (base === text) return false;
    if (base !== '' && !this.#lookUp(base, 'directory')) return false;
    return this.#search(base, matcher([text]), depth);
  }

  /** lstat of a path that is reached through real directories only; undefined where it does not exist or is excluded. */
  #lookUp(path: string, wanted: 'anything' | 'directory' = 'anything'): Stats | undefined {
    const parts = path.split('/');
    for (let length = 1; length <= parts.length; length += 1) {
      const at = parts.slice(0, length).join('/');
      const stats = lstatSync(join(this.#workspace, at), { throwIfNoEntry: false });
      if (!stats || this.#isExcluded(at)) return undefined;
      if (length === parts.length && wanted === 'anything') return stats;
      if (stats.isSymbolicLink())
        throw new ArtifactProblem(
          `"${path}" passes through the link "${at}", and links are not followed. Name the place it points at.`,
        );
      if (!stats.isDirectory()) return undefined;
      if (length === parts.length) return stats;
    }
    return undefined;
  }

  /** Looks below a directory for what a glob matches. */
  async #search(directory: string, isMatch: (path: string) => boolean, depth: number): Promise<boolean> {
    let any = false;
    for (const { path, entry } of await this.#list(directory)) {
      if (isMatch(path)) any = (await this.#takeWhole(path, entry)) || any;
      else if (entry.isDirectory() && path.split('/').length < depth)
        any = (await this.#search(path, isMatch, depth)) || any;
    }
    return any;
  }

  /** Takes a file, a link, or a directory with everything below it. */
  async #takeWhole(path: string, entry: Dirent | Stats): Promise<boolean> {
    if (this.#isExcluded(path)) return false;
    if (entry.isDirectory()) {
      this.#add({ path, type: 'directory' });
      await this.#takeBelow(path);
    } else if (entry.isSymbolicLink()) {
      const target = readlinkSync(join(this.#workspace, path));
      this.#add({ path, type: 'link', target });
    } else if (entry.isFile()) {
      this.#add({ path, type: 'file' });
    } else {
      throw new ArtifactProblem(
        `"${show(path)}" is a ${specialKind(entry)}. An artifact holds only files, directories and links: exclude it.`,
      );
    }
    return true;
  }

  async #takeBelow(directory: string): Promise<boolean> {
    let any = false;
    for (const { path, entry } of await this.#list(directory))
      any = (await this.#takeWhole(path, entry)) || any;
    return any;
  }

  /** What a directory holds, excluded things left out. */
  async #list(directory: string): Promise<{ path: string; entry: Dirent }[]> {
    this.#read += 1;
    if (this.#read % TURN === 0) {
      await setImmediate();
      this.#signal.throwIfAborted();
    }
    const read = () => readdirSync(join(this.#workspace, directory), { withFileTypes: true });
    return readable(directory, read)
      .map((entry) => ({ entry, path: directory === '' ? entry.name : `${directory}/${entry.name}` }))
      .filter(({ path }) => path !== '.git' && !this.#isExcluded(path));
  }

  #add(entry: Collected): void {
    if (this.found.has(entry.path)) return;
    assertName(entry.path);
    if (entry.type === 'link') assertText('link target', entry.target);
    const parent = entry.path.slice(0, Math.max(0, entry.path.lastIndexOf('/')));
    if (parent !== '') this.#add({ path: parent, type: 'directory' });
    this.#tally.entry(entry.path);
    this.found.set(entry.path, entry);
  }
}

function specialKind(entry: Dirent | Stats): string {
  if (entry.isFIFO()) return 'named pipe';
  if (entry.isSocket()) return 'socket';
  return 'device';
}
