import { access, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Project } from '../db/schema.ts';
import type { Vault } from '../vault.ts';
import type { SshFiles } from './access.ts';
import { makeBare, replaceFile } from './bare.ts';
import type { PinnedElsewhere } from './elsewhere.ts';
import { MirrorFault, type MirrorFaultKind } from './fault.ts';
import { fetchWants } from './fetch.ts';
import { FetchQueue, type Patience, type Refused, stopping, type Turn } from './fetch-queue.ts';
import { type Git, gitIn } from './git.ts';
import { remake } from './remake.ts';
import { clearLeftovers, needsTidying, tidy } from './tidy.ts';
import { type Advertised, type Upstream, withUpstream } from './upstream.ts';
import type { Wants } from './wants.ts';

export interface MirrorOptions {
  directory: string;
  protocols: readonly string[];
  environment: Record<string, string>;
  vault: Vault;
  ssh: SshFiles;
  log: Logger;
  elsewhere?: PinnedElsewhere | undefined;
}

/** A first clone may take long, but not for ever. */
const FIRST_CLONE_MS = 30 * 60_000;
/** The upstream's HEAD changes rarely: it is looked at with a fetch of everything, at most this often. */
const HEAD_EVERY_MS = 10 * 60_000;
/** A mirror that is found damaged again so soon has an upstream that sends damage; making it anew would not help. */
const REMAKE_EVERY_MS = 10 * 60_000;

/** Says in a mirror's directory that every branch and tag was fetched once. */
const FILLED = 'reprise-filled';

/** One project's bare mirror: what is on disk, the queue of its fetches, and what was found out about it meanwhile. */
export class Mirror {
  readonly git: Git;
  /** Commits seen in it since the start: pinning one of them asks git nothing. */
  readonly seen = new Set<string>();
  /** A read found its objects damaged: the next fetch makes it anew. */
  suspect = false;
  readonly #o: MirrorOptions;
  readonly #queue: FetchQueue;
  readonly #closing = new AbortController();
  #project: Project | null = null;
  #isPrepared = false;
  #allFetchedAt = Number.NEGATIVE_INFINITY;
  #allFetchedFrom = '';
  #headLearntAt = Number.NEGATIVE_INFINITY;
  #remadeAt = Number.NEGATIVE_INFINITY;

  constructor(options: MirrorOptions) {
    this.#o = options;
    this.git = gitIn(options.directory, options.environment);
    this.#queue = new FetchQueue((turn) => this.#work(turn));
  }

  /** Settles when a fetch that began after this call has brought `wants`; answers what the upstream does not have. */
  fetch(project: Project, wants: Wants, patience: Omit<Patience, 'what'>): Promise<Refused> {
    this.#project = project;
    return this.#queue.ask(wants, { ...patience, what: project.clone_url });
  }

  /** Does `work` on the repository, which is made where there is none, while no fetch runs. */
  alone(work: (git: Git, signal: AbortSignal) => Promise<void>): Promise<void> {
    return this.#queue.alone(async () => {
      this.#closing.signal.throwIfAborted();
      await this.#prepare();
      await work(this.git, this.#closing.signal);
    });
  }

  /** What the upstream's branches and tags name now; null while nothing was ever fetched. Fetches nothing and waits for no fetch. */
  async advertised(project: Project, signal: AbortSignal): Promise<Map<string, Advertised> | null> {
    if (!(await this.exists())) return null;
    const both = AbortSignal.any([signal, this.#closing.signal]);
    return withUpstream({ ...this.#o, project }, (upstream) => upstream.advertised(this.git, both));
  }

  /** Milliseconds since every branch and tag was last fetched from where the project is now; endless before. */
  ageFor(project: Project): number {
    return project.clone_url === this.#allFetchedFrom ? performance.now() - this.#allFetchedAt : Infinity;
  }

  /** Whether there is anything to read. */
  exists(): Promise<boolean> {
    return access(join(this.#o.directory, 'HEAD')).then(
      () => true,
      () => false,
    );
  }

  /** The branch that the upstream's HEAD named when it was last looked at; null before. */
  async headBranch(): Promise<string | null> {
    const filled = await readFile(join(this.#o.directory, FILLED), 'utf8').catch(() => '');
    return filled.trim() || null;
  }

  async remove(): Promise<void> {
    await this.close();
    for (const suffix of ['', '.anew', '.damaged'])
      await rm(`${this.#o.directory}${suffix}`, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Ends what is under way; nothing can be fetched afterwards. */
  async close(): Promise<void> {
    this.#closing.abort(stopping());
    await this.#queue.close();
  }

  async #work(turn: Turn): Promise<Refused> {
    await this.#prepare();
    const project = this.#project;
    if (!project) throw new Error('A mirror was fetched before its project was given.');
    const isFilled = await readFile(join(this.#o.directory, FILLED)).then(
      () => true,
      () => false,
    );
    if (!isFilled) turn.persist();
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), FIRST_CLONE_MS);
    const signal = AbortSignal.any([turn.signal, limit.signal]);
    const wants = isFilled ? turn.wants : { ...turn.wants, all: true };
    const startedAt = performance.now();
    const refused = await withUpstream({ ...this.#o, project }, async (upstream) => {
      const learnsHead = wants.all && performance.now() - this.#headLearntAt > HEAD_EVERY_MS;
      const [found, branch] = await Promise.all([
        this.#fetch(upstream, wants, { ...turn, signal }),
        learnsHead ? upstream.headBranch(this.git, signal) : null,
      ]);
      if (learnsHead) await this.#fill(branch);
      return found;
    })
      .catch((error) => {
        if (!limit.signal.aborted) throw error;
        throw new MirrorFault('timeout', `Fetching ${project.clone_url} took too long.`, { cause: error });
      })
      .finally(() => clearTimeout(timer));
    if (wants.all) [this.#allFetchedAt, this.#allFetchedFrom] = [startedAt, project.clone_url];
    void this.#queue
      .alone(() => this.#tidy())
      .catch((error) => this.#o.log.warn({ err: error }, 'tidying failed'));
    return refused;
  }

  async #fetch(upstream: Upstream, wants: Readonly<Wants>, turn: Turn): Promise<Refused> {
    const fetch = { ...this.#o, git: this.git, upstream, signal: turn.signal, project: this.#project };
    const mayRemake = performance.now() - this.#remadeAt > REMAKE_EVERY_MS;
    if (!this.suspect || !mayRemake) {
      try {
        return await fetchWants(fetch, wants);
      } catch (error) {
        if (!mayRemake || !isFault(error, 'damaged')) throw error;
      }
    }
    turn.persist();
    const branch = await this.headBranch();
    await remake(fetch).catch((error) => {
      if (!isFault(error, 'unreachable')) this.#remadeAt = performance.now();
      throw error;
    });
    this.#remadeAt = performance.now();
    this.suspect = false;
    this.seen.clear();
    await this.#fill(branch);
    return fetchWants(fetch, wants);
  }

  async #fill(branch: string | null): Promise<void> {
    this.#headLearntAt = performance.now();
    if (branch !== null) await replaceFile(join(this.#o.directory, 'HEAD'), `ref: refs/heads/${branch}\n`);
    await writeFile(join(this.#o.directory, FILLED), branch ?? '');
  }

  /** Once per start: the repository is there with today's configuration, and nothing of a killed git stands in the way. */
  async #prepare(): Promise<void> {
    if (this.#isPrepared) return;
    const { directory, protocols } = this.#o;
    if (!(await this.exists()))
      await rename(`${directory}.damaged`, directory).then(this.#suspectIt, () => {});
    await rm(`${directory}.anew`, { recursive: true, force: true });
    await makeBare(directory, protocols);
    await clearLeftovers(directory);
    this.#isPrepared = true;
  }

  readonly #suspectIt = (): void => {
    this.suspect = true;
  };

  async #tidy(): Promise<void> {
    const { directory, log } = this.#o;
    if (!this.#closing.signal.aborted && (await needsTidying(directory)))
      await tidy(this.git, log, this.#closing.signal);
  }
}

function isFault(error: unknown, kind: MirrorFaultKind): boolean {
  return error instanceof MirrorFault && error.kind === kind;
}
