import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Build, Project } from '../db/schema.ts';
import { MirrorFault } from '../git/fault.ts';
import type { Services } from '../services.ts';
import { announceChanged } from './announce.ts';
import { isDelivered, wantsOf } from './bring-commit.ts';
import { type Planning, planOf } from './plan-build.ts';
import { recordPlanning } from './record-planning.ts';

/**
 * Lanes of a kind at once. Planning is git processes; more of them would only take the machine from its runners. Each kind
 * has its own, so that hanging upstreams hold no rebuild back.
 */
const MOST_LANES = 2;

/** Waits before a build is tried again whose upstream did not answer, or did not have the commit yet. */
const RETRY_AFTER_MS = [1000, 5000];
/** The wait after something of ours broke, such as a full disk, for as long as it does. */
const BROKEN_AFTER_MS = 10_000;
/** Deliveries of a burst that are fetched at once. */
const MOST_TOGETHER = 50;
/** A burst of deliveries wakes the planner for each; it looks once for all that came within this time. */
const LOOK_EVERY_MS = 20;

/** What is planned one after the other: the delivered builds of a project, or those that somebody asked for. */
interface Lane {
  project_id: string;
  /** 1: asked for by a person or as a rebuild. */
  asked: number;
}

const ASKED = sql<number>`trigger_kind in ('manual', 'rebuild')`;

/**
 * Plans queued builds in the background. The builds table is the queue, so nothing is lost in a restart and `wake` is only a
 * hint. Builds of one project are planned in their order, so that their jobs are queued in it; but those that were asked
 * for (by a person or as a rebuild) have a lane of their own, as they mostly need no upstream, which may be hanging. A lane is
 * worked on by one server at a time; what two should come to plan is recorded once.
 */
export class Planner {
  readonly #services: Services;
  readonly #retryAfterMs: readonly number[];
  readonly #stopping = new AbortController();
  readonly #lanes = new Map<string, Promise<void>>();
  /** Failed tries of builds that wait for their next one. */
  readonly #tries = new Map<string, number>();
  readonly #resting = new Set<string>();
  #isStarted = false;
  #looking: Promise<void> | undefined;
  #lookAgain = false;

  constructor(services: Services, o: { retryAfterMs?: readonly number[] } = {}) {
    this.#services = services;
    this.#retryAfterMs = o.retryAfterMs ?? RETRY_AFTER_MS;
  }

  /** Plans what there is, and what comes, as soon as the background work is started. */
  start(): void {
    this.#isStarted = true;
    this.#services.background.on('plan', () => this.#lookHere());
  }

  /** There may be builds to plan: some server does. Call it after the commit. */
  wake(): void {
    this.#services.background.wake('plan');
  }

  #lookHere(): void {
    if (!this.#isStarted || this.#stopping.signal.aborted) return;
    this.#lookAgain = true;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#lookAgain) this.#lookHere();
    });
  }

  /** Leaves what is being planned to the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The server is stopping.'));
    await this.#looking;
    await Promise.all(this.#lanes.values());
  }

  async #look(): Promise<void> {
    const { signal } = this.#stopping;
    while (this.#lookAgain && !signal.aborted) {
      this.#lookAgain = false;
      try {
        for (const lane of await this.#waitingLanes()) this.#enter(lane);
        await delay(LOOK_EVERY_MS, undefined, { signal });
      } catch (error) {
        if (signal.aborted) return;
        this.#services.log.error({ err: error }, 'The builds to plan could not be listed');
        this.#wakeLater();
      }
    }
  }

  /** Nobody else may wake it for the builds that it could not get at. */
  #wakeLater(): void {
    delay(BROKEN_AFTER_MS, undefined, { signal: this.#stopping.signal }).then(
      () => this.#lookHere(),
      () => {}, // The server is stopping.
    );
  }

  #waitingLanes(): Promise<Lane[]> {
    return this.#toPlan()
      .select(['project_id', ASKED.as('asked')])
      .groupBy(['project_id', 'asked'])
      .orderBy((eb) => eb.fn.min('seq'))
      .execute();
  }

  #toPlan() {
    return this.#services.db
      .selectFrom('builds')
      .where('planned_at', 'is', null)
      .where('status', '=', 'queued')
      .$if(this.#resting.size > 0, (query) => query.where('id', 'not in', [...this.#resting]));
  }

  #enter(lane: Lane): void {
    const key = `${lane.project_id}/${lane.asked}`;
    const same = [...this.#lanes.keys()].filter((other) => other.endsWith(`/${lane.asked}`));
    if (this.#lanes.has(key) || same.length >= MOST_LANES) return;
    const done = this.#services.holds
      .with(`plan/${key}`, () => this.#work(lane))
      .then(
        (isDone) => {
          this.#lanes.delete(key);
          // Where another server is about it, that one looks again.
          if (isDone) this.#lookHere();
        },
        (error: unknown) => {
          this.#lanes.delete(key);
          this.#services.log.error({ err: error }, 'The next build to plan could not be read');
          this.#wakeLater();
        },
      );
    this.#lanes.set(key, done);
  }

  /** Plans the lane's builds until there is none. */
  async #work(lane: Lane): Promise<void> {
    const fetched = new Set<string>();
    while (!this.#stopping.signal.aborted) {
      const build = await this.#inLane(lane).selectAll().limit(1).executeTakeFirst();
      if (!build) return;
      try {
        const project = await this.#services.db
          .selectFrom('projects')
          .selectAll()
          .where('id', '=', lane.project_id)
          .executeTakeFirstOrThrow();
        const isNew = isDelivered(build) && !fetched.has(build.id);
        const isBurst = isNew && (await this.#fetchBurst(project, lane, fetched));
        // What a burst's fetch failed for rests now, or has ended.
        if (!isBurst || fetched.has(build.id)) await this.#plan(project, build, fetched.has(build.id));
      } catch (error) {
        this.#services.log.error(
          { err: error, build: build.id },
          'What planning came to could not be recorded',
        );
        this.#rest(build, BROKEN_AFTER_MS);
      }
    }
  }

  #inLane(lane: Lane) {
    return this.#toPlan()
      .where('project_id', '=', lane.project_id)
      .where(ASKED, '=', lane.asked)
      .orderBy('seq');
  }

  /**
   * One fetch for several deliveries; false where there is but one. Adds the builds whose commits are here then to
   * `fetched`. The others have all failed with that one fetch: an upstream that hangs costs a burst no more than a build.
   */
  async #fetchBurst(project: Project, lane: Lane, fetched: Set<string>): Promise<boolean> {
    const burst = await this.#inLane(lane)
      .select(['id', 'number', 'commit_sha', 'ref', 'pull_request'])
      .limit(MOST_TOGETHER)
      .execute();
    if (burst.length < 2) return false;
    const { mirrors } = this.#services;
    const { signal } = this.#stopping;
    let obstacle: string | null = null;
    try {
      await mirrors.fetch(project, { signal, wants: burst.flatMap(wantsOf) });
    } catch (error) {
      if (signal.aborted) return true;
      obstacle = this.#sentenceOf(error, project);
    }
    for (const build of burst) {
      if (obstacle === null || (await mirrors.has(project, build.commit_sha))) fetched.add(build.id);
      else await this.#obstructed(project, build, obstacle);
    }
    return true;
  }

  async #plan(project: Project, build: Build, isFetched: boolean): Promise<void> {
    const { signal } = this.#stopping;
    const outcome = await planOf(this.#services, project, build, { signal, isFetched }).catch(
      (error: unknown) => ({ kind: 'obstructed' as const, error }),
    );
    if (signal.aborted) return;
    switch (outcome.kind) {
      case 'obstructed':
        return this.#obstructed(project, build, this.#sentenceOf(outcome.error, project));
      case 'missing': {
        const missing = `The repository of ${project.name} does not have the commit ${build.commit_sha}.`;
        return this.#obstructed(project, build, `${missing} It may have been force-pushed away.`);
      }
      default:
        return this.#record(project, build, outcome);
    }
  }

  #sentenceOf(error: unknown, project: Project): string {
    if (error instanceof MirrorFault) return error.sentence;
    this.#services.log.error({ err: error, project: project.name }, 'Planning broke');
    return "Something in Reprise broke while this build was planned. The server's log says what.";
  }

  /** Something is in the way that may be gone later: puts the build aside, or ends it after its last try. */
  async #obstructed(project: Project, build: Pick<Build, 'id' | 'number'>, obstacle: string): Promise<void> {
    const tries = this.#tries.get(build.id) ?? 0;
    const againMs = this.#retryAfterMs[tries];
    this.#tries.set(build.id, tries + 1);
    if (againMs !== undefined) return this.#rest(build, againMs);
    await this.#record(project, build, { kind: 'errored', why: obstacle, log: `${obstacle}\n`, record: {} });
  }

  async #record(
    project: Project,
    build: Pick<Build, 'id' | 'number'>,
    planning: Exclude<Planning, { kind: 'missing' }>,
  ): Promise<void> {
    this.#tries.delete(build.id);
    const superseded = await recordPlanning(this.#services, project, build, planning);
    if (superseded === null) return;
    const { queue, live } = this.#services;
    queue.wake();
    queue.notice(...superseded.flatMap(({ runners }) => runners));
    announceChanged(
      this.#services,
      [build, ...superseded].map(({ number }) => ({ project: project.name, number })),
    );
    if (superseded.length > 0) live.changed('audit');
  }

  /** Lets the builds behind it pass. */
  #rest({ id }: Pick<Build, 'id'>, ms: number): void {
    this.#resting.add(id);
    delay(ms, undefined, { signal: this.#stopping.signal }).then(
      () => {
        this.#resting.delete(id);
        this.#lookHere();
      },
      () => {}, // The server is stopping.
    );
  }
}
