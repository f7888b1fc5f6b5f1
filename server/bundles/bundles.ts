import { mkdirSync, rmSync } from 'node:fs';
import type { Project } from '../db/schema.ts';
import type { PinnedElsewhere } from '../git/elsewhere.ts';
import type { Git } from '../git/git.ts';
import { inLanes, Rounds } from '../rounds.ts';
import type { Services } from '../services.ts';
import { bundlesOf } from './bundle.store.ts';
import { recallCommit } from './recall.ts';
import { storeCommits } from './store-commits.ts';

/** How often it is looked for commits to store: so long one is on one server's disk alone. */
const EVERY_MS = 10_000;
/** How long a server that cannot make a damaged bundle again leaves it to the others. */
const REST_MS = 300_000;
/** Projects at once: each may be all of a repository on its way. */
const LANES = 2;

/**
 * Pinned commits in the storage, as git bundles, so that none of them depends on one server's disk when its upstream forgets it.
 * They are written where the storage is not that same disk, and read wherever there are some.
 */
export class Bundles implements PinnedElsewhere {
  readonly #services: Services;
  readonly #dir: string;
  readonly #rounds: Rounds;
  /** Of projects, until when this server leaves them to the others. */
  readonly #resting = new Map<string, number>();

  /** `dir`: its own, where bundles are on their way; emptied of what a killed server left. */
  constructor(services: Services, dir: string) {
    this.#services = services;
    this.#dir = dir;
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const failed = 'pinned commits could not be stored; it is tried again';
    this.#rounds = new Rounds({ log: services.log, failed, work: (signal) => this.#store(signal) });
  }

  start(): void {
    if (this.#services.config.storage !== null) this.#rounds.every(EVERY_MS);
  }

  async stop(): Promise<void> {
    await this.#rounds.stop();
  }

  /** Stores what is due now, as is done by itself every few seconds. */
  store(): Promise<void> {
    return this.#rounds.go();
  }

  async among(project: Pick<Project, 'id'>, shas: readonly string[]): Promise<string[]> {
    return [...(await bundlesOf(this.#services.reader, project.id, shas)).keys()];
  }

  async bring(
    project: Pick<Project, 'id' | 'name'>,
    sha: string,
    into: { git: Git; signal: AbortSignal },
  ): Promise<boolean> {
    return recallCommit(this.#services, project, { sha, dir: this.#dir, ...into });
  }

  async #store(signal: AbortSignal): Promise<void> {
    const { disk, holds, log, now } = this.#services;
    if (disk.problem !== null) return;
    const failed = (project: Project, error: unknown) =>
      log.error(
        { err: error, project: project.name },
        'pinned commits could not be stored; it is tried again',
      );
    await inLanes(await this.#toDo(), { lanes: LANES, signal, failed }, async (project) => {
      if ((this.#resting.get(project.id) ?? 0) > now()) return;
      const work = { services: this.#services, project, dir: this.#dir, signal };
      await holds.with(`bundles:${project.id}`, async () => {
        const outcome = await storeCommits(work);
        if (outcome === 'waits') this.#resting.set(project.id, now() + REST_MS);
        else this.#resting.delete(project.id);
      });
    });
  }

  /** Projects with a commit that is due, or a bundle to be made again. */
  #toDo(): Promise<Project[]> {
    const { reader, now } = this.#services;
    return reader
      .selectFrom('projects')
      .selectAll()
      .where((eb) =>
        eb.or([
          eb.exists(
            eb
              .selectFrom('builds')
              .select('builds.id')
              .whereRef('builds.project_id', '=', 'projects.id')
              .where('bundle_due_at', '<=', now()),
          ),
          eb.exists(
            eb
              .selectFrom('bundles')
              .select('number')
              .whereRef('bundles.project_id', '=', 'projects.id')
              .where((of) =>
                of.or([
                  of('damaged_at', 'is not', null),
                  of.not(
                    of.exists(
                      of
                        .selectFrom('bundled_commits')
                        .select('commit_sha')
                        .whereRef('bundled_commits.project_id', '=', 'bundles.project_id')
                        .whereRef('bundled_commits.bundle', '=', 'bundles.number'),
                    ),
                  ),
                ]),
              ),
          ),
        ]),
      )
      .orderBy('projects.id')
      .execute();
  }
}
