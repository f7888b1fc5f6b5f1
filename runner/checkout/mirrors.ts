import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Backoff } from '../backoff.ts';
import { randomId } from '../data-dir.ts';
import type { Assignment } from '../protocol.ts';
import { paths } from '../wire.ts';
import { fold, isFoldDue } from './fold.ts';
import { type GitResult, type GitWorld, git } from './git.ts';

/** A commit of a project that is in the runner's mirror, and the tags whose objects are there too. */
export interface FetchedCommit {
  /** The directory that a checkout borrows its objects from. */
  objects: string;
  tags: Assignment['tags'];
  /** Whether anything had to be fetched for it. */
  fetched: boolean;
}

/** The commit could not be brought here; `message` is for the job's log and its record. */
export class FetchFailed extends Error {}

type Wanted = Pick<Assignment, 'project' | 'commit' | 'keepRef' | 'tags' | 'gitToken'>;

/**
 * The runner's own bare mirrors, one per project, which make a checkout cost only what changed. They are filled from the
 * server's mirrors, and may be removed at any time when no job uses them.
 */
export class Mirrors {
  readonly #directory: string;
  readonly #server: string;
  readonly #world: GitWorld;
  readonly #timeScale: number;
  /** Per project, the last of those that wait to work on the mirror. */
  readonly #queues = new Map<string, Promise<unknown>>();
  /** How many running jobs borrow from each. */
  readonly #users = new Map<string, number>();
  /** Lists of tags known to be in a mirror: `project` and the objects' names. */
  readonly #complete = new Map<string, string>();

  constructor(o: { directory: string; server: string; world: GitWorld; timeScale: number }) {
    this.#timeScale = o.timeScale;
    this.#directory = o.directory;
    this.#server = o.server;
    this.#world = o.world;
  }

  /** Marks the mirror as in use until `release`. Call before `fetch`. */
  hold(project: string): void {
    this.#users.set(project, (this.#users.get(project) ?? 0) + 1);
  }

  /** Also tidies the mirror up where that is due and nobody waits for it. */
  release(project: string): void {
    const left = (this.#users.get(project) ?? 1) - 1;
    if (left > 0) this.#users.set(project, left);
    else this.#users.delete(project);
    const path = this.#path(project);
    if (left === 0 && isFoldDue(path)) void this.#alone(project, () => fold(this.#world, path));
  }

  /**
   * Brings the commit into the mirror. Nothing is asked of anybody when it is there. A mirror that turns out to be damaged
   * is made anew, once. Throws `FetchFailed`, or the signal's reason.
   */
  async fetch(wanted: Wanted, signal: AbortSignal): Promise<FetchedCommit> {
    const path = this.#path(wanted.project);
    const held = this.#ifHeld(path, wanted);
    if (held) return held;
    return this.#alone(wanted.project, async () => {
      const meanwhile = this.#ifHeld(path, wanted);
      if (meanwhile) return meanwhile;
      try {
        return await this.#bring(path, wanted, signal);
      } catch (error) {
        if (!(error instanceof Damaged)) throw error;
      }
      await this.#remove(wanted.project);
      return this.#bring(path, wanted, signal);
    });
  }

  /** For a checkout that failed: looks whether the commit is whole, and if not removes the mirror and returns false. */
  async verify(wanted: Wanted, signal: AbortSignal): Promise<boolean> {
    return this.#alone(wanted.project, async () => {
      const walk = ['rev-list', '--objects', '--quiet', '--no-walk', wanted.commit, '--'];
      const result = await git(this.#world, walk, { directory: this.#path(wanted.project), signal });
      const read = await this.#readsAll(wanted, signal);
      if (result.code === 0 && read) return true;
      await this.#remove(wanted.project);
      return false;
    });
  }

  /** Removes the mirror that was used longest ago and is not in use. Returns its project, or null when there is none. */
  async removeOldest(): Promise<string | null> {
    const oldest = readdirSync(this.#directory)
      .filter((name) => name.endsWith('.git'))
      .map((name) => ({ project: name.slice(0, -4), at: lastUse(join(this.#directory, name)) }))
      .filter(({ project }) => !this.#users.has(project) && !this.#queues.has(project))
      .toSorted((a, b) => a.at - b.at)[0];
    if (!oldest) return null;
    await this.#alone(oldest.project, () => this.#remove(oldest.project));
    return oldest.project;
  }

  #path(project: string): string {
    if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(project)) throw new FetchFailed('The project has no valid name.');
    return join(this.#directory, `${project}.git`);
  }

  #ifHeld(path: string, wanted: Wanted): FetchedCommit | null {
    if (readRef(path, wanted.keepRef) !== wanted.commit) return null;
    if (this.#complete.get(wanted.project) !== tagList(wanted.tags)) return null;
    touch(path);
    return { objects: join(path, 'objects'), tags: wanted.tags, fetched: false };
  }

  async #bring(path: string, wanted: Wanted, signal: AbortSignal): Promise<FetchedCommit> {
    await makeBare(path);
    const fetched = readRef(path, wanted.keepRef) !== wanted.commit;
    if (fetched) {
      await this.#fetchRefs(path, wanted, [`+${wanted.keepRef}:${wanted.keepRef}`], signal);
      if (readRef(path, wanted.keepRef) !== wanted.commit)
        throw new FetchFailed(`The server's mirror of ${wanted.project} has no commit ${wanted.commit}.`);
    }
    const lost = await this.#fetchTags(path, wanted, signal);
    if (lost.size === 0) this.#complete.set(wanted.project, tagList(wanted.tags));
    touch(path);
    const tags = wanted.tags.filter((tag) => !lost.has(tag.object));
    return { objects: join(path, 'objects'), tags, fetched };
  }

  /** Brings the tags' own objects, which no branch leads to. Returns those that even the server has not. */
  async #fetchTags(path: string, wanted: Wanted, signal: AbortSignal): Promise<Set<string>> {
    const missing = new Set(await this.#missing(path, wanted.tags, signal));
    const lost = new Set<string>();
    while (missing.size > 0) {
      const refs = [...missing].map((object) => `+${object}:refs/reprise/tags/${object}`);
      try {
        await this.#fetchRefs(path, wanted, refs, signal);
        break;
      } catch (error) {
        // The server names the first that it does not have, and gives nothing then.
        const unknown = /not our ref ([0-9a-f]{40})/.exec((error as Error).message)?.[1] ?? '';
        if (!(error instanceof FetchFailed) || !missing.delete(unknown)) throw error;
        lost.add(unknown);
      }
    }
    return lost;
  }

  /** A server that is being restarted, or a proxy in between, is asked again. */
  async #fetchRefs(path: string, wanted: Wanted, refs: string[], signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(500 / this.#timeScale, 20_000 / this.#timeScale);
    for (let tries = 1; ; tries += 1) {
      const result = await this.#fetchOnce(path, wanted, refs, signal);
      if (result.code === 0) return;
      if (isDamage(result)) throw new Damaged(result.err);
      if (tries === (isFinal(result) ? 1 : FETCH_TRIES))
        throw new FetchFailed(`git could not fetch the commit from the server: ${lastWords(result)}`);
      await backoff.wait(signal);
    }
  }

  #fetchOnce(path: string, wanted: Wanted, refs: string[], signal: AbortSignal): Promise<GitResult> {
    const options = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--stdin'];
    const password = Buffer.from(`reprise:${wanted.gitToken}`).toString('base64');
    const address = `${this.#server}${paths.git(wanted.project)}`;
    return git(this.#world, ['fetch', ...options, '--', address], {
      directory: path,
      config: { [`http.${this.#server}/.extraHeader`]: `Authorization: Basic ${password}` },
      input: refs.map((ref) => `${ref}\n`).join(''),
      signal,
    });
  }

  /** Which of the tags' objects the mirror does not have. */
  async #missing(path: string, tags: Wanted['tags'], signal: AbortSignal): Promise<string[]> {
    if (tags.length === 0) return [];
    const input = tags.map((tag) => `${tag.object}\n`).join('');
    const result = await git(this.#world, ['cat-file', '--batch-check'], { directory: path, input, signal });
    if (result.code !== 0) throw new Damaged(result.err);
    return result.out
      .split('\n')
      .filter((line) => line.endsWith(' missing'))
      .map((line) => line.slice(0, -' missing'.length));
  }

  /** Reads every file of the commit, which a walk over names does not. */
  async #readsAll(wanted: Wanted, signal: AbortSignal): Promise<boolean> {
    const archive = ['archive', '--format=tar', '--output=/dev/null', wanted.commit];
    const result = await git(this.#world, archive, { directory: this.#path(wanted.project), signal });
    return result.code === 0;
  }

  /** Renamed away first: whoever still borrows from it keeps what is open. */
  async #remove(project: string): Promise<void> {
    this.#complete.delete(project);
    const away = join(this.#directory, `removed-${randomId()}`);
    await rename(this.#path(project), away).catch(ignoreMissing);
    await rm(away, { recursive: true, force: true });
  }

  /** One at a time per mirror. */
  async #alone<T>(project: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(project);
    const turn = (before ?? Promise.resolve()).then(work, work);
    this.#queues.set(project, turn);
    try {
      return await turn;
    } finally {
      if (this.#queues.get(project) === turn) this.#queues.delete(project);
    }
  }
}

/** With waits from 0.5 s to 20 s in between, about a minute and a half. */
const FETCH_TRIES = 9;

/** What the server would say again. (`couldn't find remote ref` is not among it: git takes a proxy's page for an empty repository.) */
function isFinal(result: GitResult): boolean {
  return /not our ref|returned error: (401|403|404)|Authentication failed/.test(result.err);
}

/** The mirror itself is broken, or was left locked by a git that was killed. */
class Damaged extends Error {}

/** What git says about a damaged repository, and never about a network or a server. */
const DAMAGE =
  /bad object|corrupt|is far too short|cannot be mapped|does not match index|inflate|garbage at end|unable to unpack|loose object|packfile .* (?:cannot|not)|did not send all necessary objects|missing (?:blob|tree|commit)|could not (?:parse|read) [0-9a-f]{7}|\.lock': File exists|not a git repository|bad config|Invalid (?:HEAD|object)|unresolved deltas/i;

function isDamage(result: GitResult): boolean {
  return DAMAGE.test(result.err) && !/remote error|The requested URL returned error/i.test(result.err);
}

function lastWords(result: GitResult): string {
  const lines = result.err.split('\n').filter((line) => line.trim() !== '');
  return lines.slice(-3).join(' ') || `exit code ${result.code}`;
}

/** What `git init --bare` would make, without a template and without a process. */
async function makeBare(path: string): Promise<void> {
  if (statSync(join(path, 'HEAD'), { throwIfNoEntry: false })) return;
  for (const part of ['objects/pack', 'objects/info', 'refs/heads', 'refs/tags'])
    await mkdir(join(path, part), { recursive: true });
  writeFileSync(join(path, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = true\n');
  writeFileSync(join(path, 'HEAD'), 'ref: refs/heads/main\n');
}

function readRef(path: string, ref: string): string | null {
  if (!/^refs\/[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(ref) || ref.includes('..')) return null;
  try {
    return readFileSync(join(path, ref), 'latin1').trim();
  } catch {
    return null;
  }
}

function tagList(tags: Wanted['tags']): string {
  return tags.map((tag) => tag.object).join(' ');
}

/** The time of last use is that of HEAD, which nothing else changes. */
function touch(path: string): void {
  const now = new Date();
  utimesSync(join(path, 'HEAD'), now, now);
}

function lastUse(path: string): number {
  return statSync(join(path, 'HEAD'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
