import type { Project } from '../db/schema.ts';
import { MirrorFault } from '../git/fault.ts';
import { isPublicRef } from '../git/names.ts';
import { inLanes, Rounds } from '../rounds.ts';
import type { Services } from '../services.ts';
import { changed, compare, GRACE_MS, type Remembered } from './compare.ts';
import { buildFound, isKnown } from './found.ts';
import { addUnseen, rememberHeads } from './heads.store.ts';
import { Redeliveries } from './redeliveries.ts';

/** Projects looked at in one go, and of them at once: upstreams that hang hold few of the others back. */
const AT_ONCE = 20;
const MOST_TOGETHER = 4;
/** An upstream that has not answered by then is asked again later. */
const ANSWER_MS = 20_000;
/** Builds made of one look; the rest follows with the next. */
const MOST_FOUND = 20;
/** Where the upstream cannot be asked, the next look comes after so many intervals. */
const PATIENCE = 4;

type Due = Project & { due_at: number; remembered: string };

/** Looks from time to time for pushes that no webhook announced. Every server looks for projects that are due; one takes each. */
export class Lookout {
  readonly #services: Services;
  readonly #rounds: Rounds;
  readonly #redeliveries: Redeliveries;

  constructor(services: Services) {
    this.#services = services;
    this.#redeliveries = new Redeliveries(services);
    const failed = 'it could not be looked for missed pushes';
    this.#rounds = new Rounds({ log: services.log, failed, work: (signal) => this.#look(signal) });
  }

  start(): void {
    const { config, background } = this.#services;
    if (config.lookEveryMs > 0) background.on('lookout', () => void this.look());
  }

  async stop(): Promise<void> {
    await this.#rounds.stop();
  }

  /** Looks at the projects that are due. One at a time: a call while one is under way is part of that. Never rejects. */
  look(): Promise<void> {
    return this.#rounds.go();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { db, config, now } = this.#services;
    // Their first look comes within an interval: by then they have been fetched.
    await addUnseen(db, () => Math.round(now() + Math.random() * config.lookEveryMs));
    const due = await db
      .selectFrom('projects')
      .innerJoin('lookouts', 'lookouts.project_id', 'projects.id')
      .selectAll('projects')
      .select(['lookouts.due_at', 'lookouts.remembered'])
      .where('lookouts.due_at', '<=', now())
      .orderBy('lookouts.due_at')
      .limit(AT_ONCE)
      .execute();
    const failed = (project: Due, error: unknown) => this.#failed(project, error);
    await inLanes(due, { lanes: MOST_TOGETHER, signal, failed }, (project) => this.#lookAt(project, signal));
  }

  async #lookAt(project: Due, signal: AbortSignal): Promise<void> {
    const { db, mirrors, now } = this.#services;
    if (!(await this.#take(project))) return;
    // What GitHub delivers again is here before the grace of what is found by looking is over.
    await this.#redeliveries.ask(project);
    const advertised = await mirrors.advertised(project, { timeoutMs: ANSWER_MS, signal });
    if (advertised === null) return;
    const heads = new Map([...advertised].filter(([ref]) => isPublicRef(ref)));
    const before: Remembered = JSON.parse(project.remembered);
    const known = new Set<string>();
    for (const ref of changed(heads, before)) {
      const head = heads.get(ref);
      if (head && (await isKnown(db, project.id, { ref, ...head }))) known.add(ref);
    }
    const at = now();
    const { remembered, found } = compare(heads, before, { known, now: at, most: MOST_FOUND });
    for (const one of found) await buildFound(this.#services, project, one);
    const isWaiting = Object.keys(remembered.pending).length > 0;
    await rememberHeads(db, project.id, {
      before: project.remembered,
      after: remembered,
      dueAt: isWaiting ? at + GRACE_MS : null,
    });
  }

  /** Puts the next look off, a little more or less than an interval, so that not all come at once. false: another server has taken it. */
  async #take({ id, due_at }: Due, intervals = 1): Promise<boolean> {
    const { db, config, now } = this.#services;
    const waitMs = config.lookEveryMs * intervals * (0.8 + Math.random() * 0.4);
    const { numUpdatedRows } = await db
      .updateTable('lookouts')
      .set({ due_at: Math.round(now() + waitMs) })
      .where('project_id', '=', id)
      .where('due_at', '=', due_at)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  async #failed(project: Due, error: unknown): Promise<void> {
    const { log, db } = this.#services;
    if (!(error instanceof MirrorFault)) {
      log.error({ err: error, project: project.name }, 'it could not be looked for missed pushes');
      return;
    }
    log.info(
      { project: project.name, why: error.sentence },
      'its upstream could not be asked for missed pushes',
    );
    const row = await db
      .selectFrom('lookouts')
      .select('due_at')
      .where('project_id', '=', project.id)
      .executeTakeFirst();
    if (row) await this.#take({ ...project, due_at: row.due_at }, PATIENCE);
  }
}
