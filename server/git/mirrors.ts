import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import type { Project } from '../db/schema.ts';
import type { Vault } from '../vault.ts';
import { openSshFiles, type SshFiles } from './access.ts';
import { fileAt, lookUp, readObjects } from './batch.ts';
import { between } from './between.ts';
import { writeBundle } from './bundle.ts';
import type { CommitFacts } from './commit-object.ts';
import type { PinnedElsewhere } from './elsewhere.ts';
import { gitEnvironment } from './environment.ts';
import { MirrorFault, saysDamaged } from './fault.ts';
import { stopping } from './fetch-queue.ts';
import { assertGit, type Git, OutputTooLarge } from './git.ts';
import { changedPaths, type ListedCommit, type ListedRef, listCommits, listRefs } from './history.ts';
import {
  describe,
  type Inspection,
  type InspectOptions,
  inspect,
  type MergedTag,
  readCommit,
  tagsMerged,
} from './inspect.ts';
import { Mirror } from './mirror.ts';
import { isSha } from './names.ts';
import { keepRef, pinCommit, pinnedCommits, unpinCommit } from './pin.ts';
import { nearest, type ResolvedRef, resolve } from './resolve.ts';
import type { Advertised } from './upstream.ts';
import { versionFrom } from './version.ts';
import { readWants } from './wants.ts';

export { keepRef };

/** How long planning waits for an upstream; a person's request says 30 s. */
const BACKGROUND_MS = 120_000;
/** More pinned or planned commits than this are asked of git again. */
const MOST_SEEN = 1000;

export interface FetchOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds; 2 minutes unless told. A first clone goes on in the background after that. */
  timeoutMs?: number | undefined;
  /**
   * Full refs (`refs/heads/…`, `refs/tags/…`, `refs/pull/7/head`) and full object names that are wanted at least. Only these and the
   * tags are fetched then: the fast way. Anything else, and no `wants`, fetches every branch and tag.
   */
  wants?: readonly string[] | undefined;
  /** Everything is not fetched again where that was done less than so many milliseconds ago. */
  maxAgeMs?: number | undefined;
}

/**
 * The server's bare mirrors, one for each project, below `dir`. Everything that Reprise knows about a repository is read
 * from here; only `fetch` (and what is built on it) uses the network. All methods may be called at any time, side by side.
 */
export class Mirrors {
  readonly #o: {
    dir: string;
    protocols: readonly string[];
    vault: Vault;
    log: Logger;
    elsewhere?: PinnedElsewhere | undefined;
  };
  readonly #environment: Record<string, string>;
  readonly #ssh: SshFiles;
  readonly #mirrors = new Map<string, Mirror>();
  #isClosed = false;

  /**
   * `protocols`: the transports that may be fetched over. `sshDir` holds the operator's `known_hosts`; beside `dir` unless
   * told. `elsewhere` has pinned commits that a mirror may lack. Removes deploy keys that a killed server left behind.
   */
  constructor(o: {
    dir: string;
    protocols: readonly string[];
    vault: Vault;
    log: Logger;
    sshDir?: string;
    environment?: Readonly<Record<string, string | undefined>>;
    elsewhere?: PinnedElsewhere | undefined;
  }) {
    this.#o = o;
    this.#environment = gitEnvironment(o.environment ?? process.env, o.protocols);
    this.#ssh = openSshFiles(o.dir, o.sshDir ?? join(dirname(o.dir), 'ssh'));
  }

  /** Throws a sentence for the operator where this machine's git is missing or too old. */
  async assertGit(): Promise<void> {
    await assertGit(this.#o.dir, this.#environment);
  }

  /** Where the project's mirror is. */
  directory(project: Pick<Project, 'id'>): string {
    return join(this.#o.dir, `${project.id}.git`);
  }

  /** The whole environment for another git process on a mirror, such as the one that serves it. */
  environment(): Record<string, string> {
    return { ...this.#environment };
  }

  /**
   * Brings the mirror up to what the upstream has now. Throws `MirrorFault`; that a wanted ref or commit does not exist
   * upstream is no fault: ask `has`, `resolve` or `inspect` afterwards. Refuses (422) what is no well-formed name.
   */
  async fetch(project: Project, o: FetchOptions = {}): Promise<void> {
    await this.#fetch(project, o);
  }

  /**
   * The whole of planning in one call: fetches `sha` and `wants`, looks at the commit, and pins it. A mirror found damaged
   * on the way is made anew. null: the upstream does not have that commit (any more). Throws `MirrorFault`.
   */
  async obtain(project: Project, sha: string, o: FetchOptions & InspectOptions): Promise<Inspection | null> {
    if (!isSha(sha)) return null;
    for (const isLast of [false, true]) {
      const refused = await this.#fetch(project, { ...o, wants: [sha, ...(o.wants ?? [])] });
      try {
        // A commit that was not refused is there; keeping it need not wait for what is said of it.
        const [found] = await Promise.all([
          this.inspect(project, sha, o),
          refused.has(sha) ? null : pinCommit(this.directory(project), sha),
        ]);
        if (found || refused.has(sha) || isLast) return found;
        this.#mirror(project).suspect = true;
      } catch (error) {
        if (isLast || !(error instanceof MirrorFault && error.kind === 'damaged')) throw error;
      }
    }
    return null;
  }

  /** Commit, version, tags and pipeline file in one go: three processes side by side. null: not in the mirror. */
  async inspect(project: Project, sha: string, o: InspectOptions): Promise<Inspection | null> {
    if (!isSha(sha)) return null;
    const found = await this.#read(project, (git) =>
      inspect({ git, directory: this.directory(project) }, sha, o),
    );
    if (found) this.#remember(project, sha);
    return found ?? null;
  }

  /** Keeps the commit under `keepRef(sha)` until it is unpinned. Throws where it is not in the mirror. */
  async pin(project: Project, sha: string): Promise<void> {
    if (!(await this.has(project, sha)))
      throw new MirrorFault(
        'damaged',
        `The commit ${sha} cannot be kept: it is not in the mirror of ${project.name}.`,
      );
    await pinCommit(this.directory(project), sha);
  }

  /**
   * What the upstream's branches and tags name now, by full ref; null while nothing was ever fetched. Fetches nothing. Throws
   * `MirrorFault` where the upstream does not answer within `timeoutMs`.
   */
  async advertised(
    project: Project,
    o: { timeoutMs: number; signal: AbortSignal },
  ): Promise<Map<string, Advertised> | null> {
    if (this.#isClosed) throw stopping();
    const late = AbortSignal.timeout(o.timeoutMs);
    try {
      return await this.#mirror(project).advertised(project, AbortSignal.any([o.signal, late]));
    } catch (cause) {
      if (!late.aborted || o.signal.aborted) throw cause;
      throw new MirrorFault('timeout', `${project.clone_url} did not answer in time.`, { cause });
    }
  }

  /** Keeps the commit no longer for its own sake; that it was not kept is fine. */
  async unpin(project: Pick<Project, 'id'>, sha: string): Promise<void> {
    this.#mirror(project).seen.delete(sha);
    await this.#read(project, (git) => unpinCommit(git, sha));
  }

  /** Whether the mirror holds the commit, so that it can be built without asking the upstream. */
  async has(project: Project, sha: string): Promise<boolean> {
    if (!isSha(sha)) return false;
    if (this.#mirror(project).seen.has(sha)) return true;
    const found = await this.#read(project, (git) => lookUp(git, [sha]));
    if (found?.[0]?.type !== 'commit') return false;
    this.#remember(project, sha);
    return true;
  }

  /** Those of the commits that the mirror holds, in one process. */
  async held(project: Pick<Project, 'id'>, shas: readonly string[]): Promise<string[]> {
    if (shas.length === 0) return [];
    const found = await this.#read(project, (git) => lookUp(git, shas));
    return shas.filter((_, at) => found?.[at]?.type === 'commit');
  }

  /**
   * Takes pinned commits that the mirror lacks from where the installation keeps them besides, and pins them here. false: one of
   * `shas` is not here even so. Asks no upstream.
   */
  async recall(project: Pick<Project, 'id' | 'name'>, shas: readonly string[]): Promise<boolean> {
    const { elsewhere } = this.#o;
    const among = elsewhere && shas.length > 0 ? await elsewhere.among(project, shas) : [];
    if (!elsewhere || among.length === 0) return false;
    const here = new Set(await this.held(project, shas));
    for (const sha of among) {
      if (here.has(sha)) continue;
      await this.#mirror(project).alone(async (git, signal) => {
        if (!(await elsewhere.bring(project, sha, { git, signal }))) return;
        await pinCommit(this.directory(project), sha);
        here.add(sha);
      });
    }
    return shas.every((sha) => here.has(sha));
  }

  /** Pins commits that are here, and writes them and what leads to them into a bundle (`bundle.ts`). */
  async bundle(
    project: Pick<Project, 'id'>,
    file: string,
    o: { commits: readonly string[]; without: readonly string[]; signal: AbortSignal },
  ): Promise<'written' | 'empty'> {
    const directory = this.directory(project);
    const pinned = new Set(await pinnedCommits(directory));
    for (const sha of o.commits) if (!pinned.has(sha)) await pinCommit(directory, sha);
    return writeBundle(this.#mirror(project).git, file, o);
  }

  /** What a branch, tag, full ref, or full or short object name stands for, as of the last fetch. null: nothing. */
  async resolve(project: Project, ref: string): Promise<ResolvedRef | null> {
    return (await this.#read(project, (git) => resolve(git, ref))) ?? null;
  }

  /** Up to five branches and tags whose names are most like `ref`. */
  async nearest(project: Project, ref: string): Promise<string[]> {
    return (await this.#read(project, (git) => nearest(git, ref))) ?? [];
  }

  /** A file's bytes at a commit. null: no such file, or it has more than `maxBytes`. */
  async readFile(project: Project, sha: string, path: string, maxBytes: number): Promise<Buffer | null> {
    if (!isSha(sha)) return null;
    const object = await this.#read(project, async (git) => {
      const [entry] = await lookUp(git, [fileAt(sha, path)]);
      if (entry?.type !== 'blob' || entry.size > maxBytes) return null;
      return (await readObjects(git, [entry.sha]))[0];
    });
    return object?.bytes ?? null;
  }

  /** The commit's facts. Throws where it is not in the mirror. */
  async commit(project: Project, sha: string): Promise<CommitFacts> {
    return this.#found(project, sha, (git) => readCommit(git, sha));
  }

  /** The version of a build of this commit; `tag` where it is that tag's build. */
  async describe(project: Project, sha: string, tag: string | null): Promise<string> {
    if (tag !== null) return versionFrom(tag);
    return this.#found(project, sha, (git) => describe(git, sha));
  }

  /** The tags that lead to the commit, by name. */
  async tagsMerged(project: Project, sha: string): Promise<MergedTag[]> {
    return this.#found(project, sha, (git) => tagsMerged(git, sha));
  }

  /** Paths changed from `before` to `after`. null: `before` is all zeros or not in the mirror. */
  async changedPaths(project: Project, before: string, after: string): Promise<string[] | null> {
    if (!isSha(before) || !isSha(after) || /^0+$/.test(before)) return null;
    return (await this.#read(project, (git) => changedPaths(git, before, after))) ?? null;
  }

  /** The branch that the upstream's HEAD named when everything was last fetched; null before the first fetch. */
  async defaultBranch(project: Project): Promise<string | null> {
    return this.#mirror(project).headBranch();
  }

  /** Branches and tags whose names contain `query`, newest first, as of the last fetch. */
  async refs(project: Project, o: { query: string; limit: number }): Promise<ListedRef[]> {
    return (await this.#read(project, (git) => listRefs(git, o))) ?? [];
  }

  /** Commits that lead to `ref`, or where that is null to any branch or tag, newest first; see `listCommits`. null: `ref` names nothing. */
  async commits(
    project: Project,
    o: { ref: string | null; query: string; before: string | null; limit: number },
  ): Promise<{ items: ListedCommit[]; next: string | null } | null> {
    return (await this.#read(project, (git) => listCommits(git, o))) ?? null;
  }

  /** How `to` is seen from `from`, and the commits between them (`between.ts`). null: one of them is not in the mirror. */
  async between(project: Project, from: string, to: string) {
    return (await this.#read(project, (git) => between(git, from, to))) ?? null;
  }

  /** Whether anything was ever fetched: then the mirror answers, however old. */
  async isEmpty(project: Project): Promise<boolean> {
    return (await this.#read(project, (git) => listRefs(git, { query: '', limit: 1 })))?.length !== 1;
  }

  /** The ids of the projects that have something here. */
  async onDisk(): Promise<string[]> {
    const names = await readdir(this.#o.dir).catch(() => []);
    return [...new Set(names.flatMap((name) => /^([^.]+)\.git/.exec(name)?.[1] ?? []))];
  }

  /** Removes the mirror of a project that is no more. */
  async remove(project: Pick<Project, 'id'>): Promise<void> {
    const mirror = this.#mirror(project);
    this.#mirrors.delete(project.id);
    await mirror.remove();
  }

  /** Notes that somebody could not read the mirror: its next fetch makes it anew. */
  suspect(project: Pick<Project, 'id'>): void {
    this.#mirror(project).suspect = true;
  }

  /** Ends every fetch; nothing can be fetched afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#mirrors.values()].map((mirror) => mirror.close()));
  }

  async #fetch(project: Project, o: FetchOptions): Promise<ReadonlySet<string>> {
    if (this.#isClosed) throw stopping();
    const wants = readWants(o.wants ?? []);
    const mirror = this.#mirror(project);
    if (o.wants === undefined && mirror.ageFor(project) < (o.maxAgeMs ?? 0)) return new Set();
    const patience = { signal: o.signal, timeoutMs: o.timeoutMs ?? BACKGROUND_MS };
    // What an installation has it can build, whatever upstream says; but its branches and tags are asked for all the same.
    const commits = [...wants.names].filter(isSha);
    const isRecalled = await this.recall(project, commits);
    try {
      return await mirror.fetch(project, wants, patience);
    } catch (error) {
      if (isRecalled && !wants.all && commits.length === wants.names.size) return new Set();
      throw error;
    }
  }

  #mirror(project: Pick<Project, 'id'>): Mirror {
    const held = this.#mirrors.get(project.id);
    if (held) return held;
    const mirror = new Mirror({
      ...this.#o,
      directory: this.directory(project),
      environment: this.#environment,
      ssh: this.#ssh,
      log: this.#o.log.child({ mirror: project.id }),
    });
    this.#mirrors.set(project.id, mirror);
    return mirror;
  }

  /** Asks a mirror; null where nothing was fetched yet. Damage that shows is remembered for the next fetch. */
  async #read<T>(project: Pick<Project, 'id'>, ask: (git: Git) => Promise<T>): Promise<T | null> {
    const mirror = this.#mirror(project);
    if (!(await mirror.exists())) return null;
    try {
      return await ask(mirror.git);
    } catch (error) {
      if (error instanceof OutputTooLarge) return null;
      if (error instanceof MirrorFault && saysDamaged(error.sentence)) mirror.suspect = true;
      throw error;
    }
  }

  async #found<T>(project: Project, sha: string, ask: (git: Git) => Promise<T | null>): Promise<T> {
    const found = isSha(sha) ? await this.#read(project, ask) : null;
    if (found !== null) return found;
    throw new MirrorFault('damaged', `The commit ${sha} is not in the mirror of ${project.name}.`);
  }

  #remember(project: Project, sha: string): void {
    const { seen } = this.#mirror(project);
    if (seen.size >= MOST_SEEN) seen.clear();
    seen.add(sha);
  }
}
