import { type Actor, REPRISE } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { Rounds } from '../rounds.ts';
import type { Services } from '../services.ts';
import { chooseBuilds, heldBytesOf, limitsOf } from './choose.ts';
import { removeLeftMirrors } from './left-mirrors.ts';
import { measureEnded } from './measure.ts';
import { pruneDeliveries, pruneProbes } from './prune.ts';
import { removeBytes } from './removals.ts';
import { removeBuilds } from './remove-builds.ts';
import { rulesOf } from './rules.ts';
import { Unrecorded } from './unrecorded.ts';

/** How often it is looked for what may go. */
const EVERY_MS = 10 * 60_000;
/** Builds judged and removed in one go: nobody waits long for the writer. */
const AT_ONCE = 20;
/** Builds of a project judged in one sweep; the next goes on after them. */
const MOST_JUDGED = 1000;

/** Carries out the rules of retention, from time to time: one server at a time. */
export class Retention {
  readonly #services: Services;
  /** Of each project, the number after which the next sweep goes on; none: from its oldest build. */
  readonly #after = new Map<string, number>();
  readonly #unrecorded: Unrecorded;
  readonly #rounds: Rounds;

  constructor(services: Services) {
    this.#services = services;
    this.#unrecorded = new Unrecorded(services);
    const failed = 'what may go could not be removed; it is tried again';
    this.#rounds = new Rounds({ log: services.log, failed, work: () => this.sweep() });
  }

  start(): void {
    this.#rounds.every(EVERY_MS);
  }

  async stop(): Promise<void> {
    await this.#rounds.stop();
  }

  /** Measures, removes and prunes all that is due; where another server is about it, only what is on this one's disk. */
  async sweep(): Promise<void> {
    const { db, holds, now } = this.#services;
    await removeLeftMirrors(this.#services);
    await holds.with('retention', async () => {
      await this.#whileThereIs(() => measureEnded(db));
      for (const project of await db.selectFrom('projects').selectAll().orderBy('id').execute())
        await this.remove(project, REPRISE);
      await this.#whileThereIs(() => pruneDeliveries(db, now()));
      await this.#whileThereIs(() => pruneProbes(db, now()));
      await this.#whileThereIs(() => removeBytes(this.#services));
      await this.#unrecorded.look();
    });
  }

  /** Carries out one project's rules now; `complete` is false where there is more to judge than one call does. */
  async remove(project: Project, by: Actor): Promise<{ builds: number; bytes: number; complete: boolean }> {
    const { db, config, now } = this.#services;
    const rules = rulesOf(project, config);
    const done = { builds: 0, bytes: 0, complete: true };
    const limits = await limitsOf(db, { projectId: project.id, rules, now: now() });
    let after = this.#after.get(project.id) ?? 0;
    for (let judged = 0; judged < MOST_JUDGED && !this.#rounds.isStopped; judged += AT_ONCE) {
      const chosen = await chooseBuilds(db, { projectId: project.id, limits, after, limit: AT_ONCE });
      const removed = await removeBuilds(this.#services, project, { goes: chosen.goes, rules, by });
      done.builds += removed.length;
      done.bytes += heldBytesOf(removed);
      if (chosen.next === null) {
        this.#after.delete(project.id);
        return done;
      }
      after = chosen.next;
      this.#after.set(project.id, after);
    }
    return { ...done, complete: false };
  }

  async #whileThereIs(work: () => Promise<number>): Promise<void> {
    while (!this.#rounds.isStopped && (await work()) > 0);
  }
}
