import { readdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../client.ts';
import { randomId } from '../data-dir.ts';
import type { Assignment } from '../protocol.ts';
import { fetchPack } from './fetch-pack.ts';
import { Damaged, FetchFailed, type FetchOptions, fetchRefs } from './fetch-refs.ts';
import { fold, isFoldDue } from './fold.ts';
import { type GitWorld, git } from './git.ts';
import {
  addRecentCommit,
  lastUse,
  makeBare,
  readRef,
  recentCommits,
  touch,
  writeRef,
} from './mirror-files.ts';

/** A commit of a project that is in the runner's mirror, and the tags whose objects are there too. */
export interface FetchedCommit {
  /** The directory that a checkout borrows its objects from. */
  objects: string;
  tags: Assignment['tags'];
  /** Whether anything had to be fetched for it. */
  fetched: boolean;
}

export interface MirrorsOptions {
  directory: string;
  /** The server's address, and who asks it. */
  server: string;
  client: Client;
  world: GitWorld;
  timeScale: number;
}

type Wanted = Pick<Assignment, 'project' | 'commit' | 'keepRef' | 'tags' | 'gitToken'>;

/**
 * The runner's own bare mirrors, one per project, which make a checkout cost only what changed. They are filled from the
 * server's mirrors, and may be removed at any time when no job uses them.
 */
export class Mirrors {
  readonly #o: MirrorsOptions;
  /** Per project, the last of those that wait to work on the mirror. */
  readonly #queues = new Map<string, Promise<unknown>>();
  /** How many running jobs borrow from each. */
  readonly #users = new Map<string, number>();
  /** Per project, the tags' objects known to be in the mirror. */
  readonly #tags = new Map<string, Set<string>>();

  constructor(options: MirrorsOptions) {
    this.#o = options;
  }

  /** Marks the mirror as in use until `release`. Call before `fetch`. */
  hold(project: string): void {
    this.#users.set(project, (this.#users.get(project) ?? 0) + 1);
  }

  /** Also tidies the mirror up where that is due. */
  release(project: string): void {
    const left = (this.#users.get(project) ?? 1) - 1;
    if (left > 0) this.#users.set(project, left);
    else this.#users.delete(project);
    const mirror = this.#path(project);
    if (left === 0 && isFoldDue(mirror)) void this.#alone(project, () => fold(this.#o.world, mirror));
  }

  /**
   * Brings the commit into the mirror. Nothing is asked of anybody when it is there. A mirror that turns out to be damaged
   * is made anew, once. Throws `FetchFailed`, or the signal's reason.
   */
  async fetch(wanted: Wanted, signal: AbortSignal): Promise<FetchedCommit> {
    const held = this.#ifHeld(wanted);
    if (held) return held;
    return this.#alone(wanted.project, async () => {
      const meanwhile = this.#ifHeld(wanted);
      if (meanwhile) return meanwhile;
      try {
        return await this.#bring(wanted, signal);
      } catch (error) {
        if (!(error instanceof Damaged)) throw error;
      }
      await this.#remove(wanted.project);
      return this.#bring(wanted, signal);
    });
  }

  /** For a checkout that failed: reads the commit whole. When that fails, removes the mirror and returns false. */
  async verify(wanted: Wanted, signal: AbortSignal): Promise<boolean> {
    const directory = this.#path(wanted.project);
    return this.#alone(wanted.project, async () => {
      const history = await git(this.#o.world, ['rev-list', '--quiet', wanted.commit, '--'], {
        directory,
        signal,
      });
      const archive = ['archive', '--format=tar', '--output=/dev/null', wanted.commit];
      const files = await git(this.#o.world, archive, { directory, signal });
      if (history.code === 0 && files.code === 0) return true;
      await this.#remove(wanted.project);
      return false;
    });
  }

  /** Removes the mirror that was used longest ago and is not in use. Returns its project, or null when there is none. */
  async removeOldest(): Promise<string | null> {
    const oldest = readdirSync(this.#o.directory)
      .filter((name) => name.endsWith('.git'))
      .map((name) => ({ project: name.slice(0, -4), at: lastUse(join(this.#o.directory, name)) }))
      .filter(({ project }) => !this.#users.has(project) && !this.#queues.has(project))
      .toSorted((a, b) => a.at - b.at)[0];
    if (!oldest) return null;
    await this.#alone(oldest.project, () => this.#remove(oldest.project));
    return oldest.project;
  }

  #path(project: string): string {
    if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(project)) throw new FetchFailed('The project has no valid name.');
    return join(this.#o.directory, `${project}.git`);
  }

  #ifHeld(wanted: Wanted): FetchedCommit | null {
    const mirror = this.#path(wanted.project);
    if (readRef(mirror, wanted.keepRef) !== wanted.commit || this.#unknownTags(wanted).length > 0)
      return null;
    touch(mirror);
    return { objects: join(mirror, 'objects'), tags: wanted.tags, fetched: false };
  }

  #unknownTags({ project, tags }: Wanted): string[] {
    const known = this.#tags.get(project);
    return tags.map((tag) => tag.object).filter((object) => !known?.has(object));
  }

  async #bring(wanted: Wanted, signal: AbortSignal): Promise<FetchedCommit> {
    const mirror = this.#path(wanted.project);
    await makeBare(mirror);
    const fetched = readRef(mirror, wanted.keepRef) !== wanted.commit;
    if (fetched) await this.#bringCommit(mirror, wanted, signal);
    const unknown = this.#unknownTags(wanted);
    const lost = await this.#bringTags(mirror, { wanted, objects: unknown, signal });
    const found = unknown.filter((object) => !lost.has(object));
    this.#tags.set(wanted.project, new Set([...(this.#tags.get(wanted.project) ?? []), ...found]));
    touch(mirror);
    const tags = wanted.tags.filter((tag) => !lost.has(tag.object));
    return { objects: join(mirror, 'objects'), tags, fetched };
  }

  async #bringCommit(mirror: string, wanted: Wanted, signal: AbortSignal): Promise<void> {
    if (!(await this.#bringQuickly(mirror, wanted, signal))) {
      await fetchRefs(this.#fetching(mirror, wanted, signal), [`+${wanted.keepRef}:${wanted.keepRef}`]);
      if (readRef(mirror, wanted.keepRef) !== wanted.commit)
        throw new FetchFailed(`The server's mirror of ${wanted.project} has no commit ${wanted.commit}.`);
    }
    addRecentCommit(mirror, wanted.commit);
  }

  /** In one request, together with the tags that are new. False when that did not work out. */
  async #bringQuickly(mirror: string, wanted: Wanted, signal: AbortSignal): Promise<boolean> {
    const { project, gitToken, commit, keepRef } = wanted;
    const tags = this.#unknownTags(wanted);
    const wants = [...new Set([commit, ...tags])];
    try {
      await fetchPack(
        { client: this.#o.client, world: this.#o.world, mirror, signal },
        { project, gitToken, wants, haves: recentCommits(mirror) },
      );
      for (const tag of tags) await writeRef(mirror, `refs/reprise/tags/${tag}`, tag);
      await writeRef(mirror, keepRef, commit);
      this.#tags.set(project, new Set([...(this.#tags.get(project) ?? []), ...tags]));
      return true;
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }

  /** Brings the tags' own objects, which no branch leads to. Returns those that even the server has not. */
  async #bringTags(
    mirror: string,
    o: { wanted: Wanted; objects: readonly string[]; signal: AbortSignal },
  ): Promise<Set<string>> {
    const missing = new Set(await this.#missing(mirror, o.objects, o.signal));
    const lost = new Set<string>();
    while (missing.size > 0) {
      const refspecs = [...missing].map((object) => `+${object}:refs/reprise/tags/${object}`);
      try {
        await fetchRefs(this.#fetching(mirror, o.wanted, o.signal), refspecs);
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

  /** Which of the objects the mirror does not have. */
  async #missing(mirror: string, objects: readonly string[], signal: AbortSignal): Promise<string[]> {
    if (objects.length === 0) return [];
    const input = objects.map((object) => `${object}\n`).join('');
    const check = ['cat-file', '--batch-check'];
    const { code, out, err } = await git(this.#o.world, check, { directory: mirror, input, signal });
    if (code !== 0) throw new Damaged(err);
    return out
      .split('\n')
      .filter((line) => line.endsWith(' missing'))
      .map((line) => line.slice(0, -' missing'.length));
  }

  #fetching(mirror: string, { project, gitToken }: Wanted, signal: AbortSignal): FetchOptions {
    const { world, server, timeScale } = this.#o;
    return { world, mirror, server, project, gitToken, timeScale, signal };
  }

  /** Renamed away first: whoever still borrows from it keeps what is open. */
  async #remove(project: string): Promise<void> {
    this.#tags.delete(project);
    const away = join(this.#o.directory, `removed-${randomId()}`);
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

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
