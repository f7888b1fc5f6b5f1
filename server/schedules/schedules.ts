import type { Project } from '../db/schema.ts';
import { MirrorFault } from '../git/fault.ts';
import { inLanes, Rounds } from '../rounds.ts';
import type { Services } from '../services.ts';
import { readSchedules } from './read.ts';
import { runDue } from './run.ts';

/** Projects that are fetched at once: upstreams that hang hold few of the others back. */
const MOST_TOGETHER = 4;
/** Until a project is tried again whose upstream could not be asked, or that had nothing to read. */
const AGAIN_AFTER_MS = 60_000;

/**
 * Runs what pipeline files ask for by the clock. Which schedules there are and when each is due is in the database: planning a
 * push to the default branch puts it there, a look here where nothing was planned yet. Every server looks, every few
 * seconds; one of them does it.
 */
export class Schedules {
  readonly #services: Services;
  readonly #rounds: Rounds;
  /** What came to nothing with a project (`read` or `run` and its id), and until when it is left alone. */
  readonly #resting = new Map<string, number>();

  constructor(services: Services) {
    this.#services = services;
    const failed = 'the schedules could not be looked at';
    this.#rounds = new Rounds({ log: services.log, failed, work: (signal) => this.#look(signal) });
  }

  start(): void {
    this.#services.background.on('schedules', () => void this.look());
  }

  /** Leaves what is still to be done to the next start. */
  async stop(): Promise<void> {
    await this.#rounds.stop();
  }

  /** One at a time: a call while one is under way is part of that. Never rejects. */
  look(): Promise<void> {
    return this.#rounds.go();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const failed = (project: Project, error: unknown) => this.#failed(project, error);
    const o = { lanes: MOST_TOGETHER, signal, failed };
    await inLanes(await this.#unread(), o, (project) => this.#read(project));
    await inLanes(await this.#due(), o, (project) => this.#run(project, signal));
  }

  /** Those of which no file was read yet. Of one that was never fetched there is none. */
  async #unread(): Promise<Project[]> {
    const unread = await this.#services.reader
      .selectFrom('projects')
      .selectAll()
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('schedule_heads').select('project_id').whereRef('project_id', '=', 'projects.id'),
          ),
        ),
      )
      .execute();
    return unread.filter(({ id }) => !this.#rests(`read/${id}`));
  }

  async #read(project: Project): Promise<void> {
    this.#rest(`read/${project.id}`);
    await readSchedules(this.#services, project);
  }

  async #due(): Promise<Project[]> {
    const now = this.#services.now();
    const due = await this.#services.reader
      .selectFrom('projects')
      .selectAll()
      .where('id', 'in', (eb) => eb.selectFrom('schedules').select('project_id').where('due_at', '<=', now))
      .execute();
    return due.filter(({ id }) => !this.#rests(`run/${id}`));
  }

  async #run(project: Project, signal: AbortSignal): Promise<void> {
    const run = () => runDue(this.#services, project, signal);
    try {
      await this.#services.holds.with(`schedules/${project.id}`, run);
    } catch (error) {
      this.#rest(`run/${project.id}`);
      if (!signal.aborted) await this.#sayObstacle(project, error);
      throw error;
    }
  }

  /** People see beside the schedule why nothing came of it. */
  async #sayObstacle(project: Project, error: unknown): Promise<void> {
    if (!(error instanceof MirrorFault)) return;
    const { db, live, now } = this.#services;
    const { numUpdatedRows } = await db
      .updateTable('schedules')
      .set({ obstacle: error.sentence })
      .where('project_id', '=', project.id)
      .where('due_at', '<=', now())
      .where('obstacle', '<>', error.sentence)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows > 0n) live.changed(`project:${project.name}`);
  }

  #rest(what: string): void {
    this.#resting.set(what, this.#services.now() + AGAIN_AFTER_MS);
  }

  #rests(what: string): boolean {
    const until = this.#resting.get(what) ?? 0;
    if (until > this.#services.now()) return true;
    this.#resting.delete(what);
    return false;
  }

  #failed({ name }: Project, error: unknown): void {
    const { log } = this.#services;
    if (error instanceof MirrorFault)
      log.warn({ err: error, project: name }, 'what is due must wait for its repository');
    else log.error({ err: error, project: name }, 'the schedules of a project failed');
  }
}
