import type { Assignment, Claim } from '@reprise/runner/protocol.ts';
import type { Runner } from '../db/schema.ts';
import { assignmentOf } from '../runners/assignment.ts';
import { topicsOfAttempt } from '../runners/attempt.store.ts';
import { Presence } from '../runners/presence.ts';
import type { Services } from '../services.ts';
import { claimJob } from './claim.ts';
import { claimableKinds } from './claimable.ts';
import { waitAnew } from './expire.ts';
import { renewAllLeases } from './lease.ts';
import { Line, type Taken } from './line.ts';
import { Sweep } from './sweep.ts';

/** Several a renewal: an expired lease and a silent runner are noticed soon after they are due. */
const SWEEPS_PER_RENEWAL = 3;

/**
 * The waiting side of the queue. The jobs table is the truth; here are only the requests of runners that wait for it to
 * change, and the timer that looks for leases which nobody renews.
 */
export class Queue {
  readonly presence = new Presence();
  readonly #services: Services;
  readonly #line: Line<Asking, Assignment>;
  readonly #sweep: Sweep;
  #timer: NodeJS.Timeout | undefined;

  constructor(services: Services) {
    this.#services = services;
    this.#sweep = new Sweep(services);
    this.#line = new Line((asking) => this.#take(asking));
  }

  /**
   * Starts sweeping. `isFirst`: no server was there, so that runners could neither renew nor take anything; every running attempt begins
   * a whole lease, and what waits waits anew.
   */
  async start({ isFirst }: { isFirst: boolean }): Promise<void> {
    const { db, config, now } = this.#services;
    if (isFirst) {
      await renewAllLeases(db, now() + config.times.reassignMs);
      await waitAnew(this.#services);
    }
    const everyMs = Math.ceil(config.times.renewMs / SWEEPS_PER_RENEWAL);
    this.#timer = setInterval(() => {
      void this.#sweep.start();
      void this.#line.serve();
      this.#services.background.look();
    }, everyMs);
    this.#services.news.on({
      news: ({ noticed = [], dismissed = [] }) => {
        for (const id of noticed) this.presence.notice(id);
        for (const id of dismissed) this.#dismiss(id);
      },
      unsure: () => this.presence.noticeAll(),
    });
    this.#services.wake.start({
      serve: () => this.#line.serve(),
      kinds: () => this.#line.kinds(),
      claimable: () => claimableKinds(this.#services.reader),
    });
  }

  /** Sends every waiting runner away empty-handed. Attempts go on; their runners find the next server. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.presence.close();
    this.#line.dismiss(() => true);
    await this.#sweep.stop();
  }

  /** Something may be claimable now: call it after the commit that made it so. */
  wake(): void {
    this.#services.wake.wake();
  }

  /** Claims that wait for a job. */
  get waiting(): number {
    return this.#line.length;
  }

  /** There may be news (a cancelled or lost attempt) for these runners: call it after the commit. */
  notice(...runnerIds: (string | null)[]): void {
    const noticed = runnerIds.filter((id) => id !== null);
    for (const id of noticed) this.presence.notice(id);
    this.#services.news.tell({ noticed });
  }

  /** Waits at most `claimWaitMs` for a job that this runner can take. null: there was none. */
  async claim(runner: Runner, ask: Claim, signal: AbortSignal): Promise<Assignment | null> {
    this.presence.refuseWhenClosed();
    const asking = { ...ask, runnerId: runner.id, kind: runner.labels };
    const waitMs = this.#services.config.times.claimWaitMs;
    const got = this.#line.wait(asking, { waitMs, signal });
    this.#services.wake.waits(asking.kind);
    return got;
  }

  /** Ends the waiting claims of a process that is gone, before they take a job nobody would execute. */
  dismiss(runnerId: string): void {
    this.#dismiss(runnerId);
    this.#services.news.tell({ dismissed: [runnerId] });
  }

  #dismiss(runnerId: string): void {
    this.#line.dismiss((asking) => asking.runnerId === runnerId);
    this.presence.forget(runnerId);
  }

  async #take(asking: Asking): Promise<Taken<Assignment>> {
    const { db, config, now, live, disk } = this.#services;
    const hasSpace = disk.problem === null;
    const o = { now, leaseMs: config.times.reassignMs, hasSpace };
    const taken = await claimJob(db, asking.runnerId, asking, o);
    if (typeof taken === 'string') return taken;
    const got = await assignmentOf(this.#services, taken.got);
    live.changed(...topicsOfAttempt({ ...got, job: got.job.name, number: got.attemptNumber }));
    return { got };
  }
}

type Asking = Claim & { runnerId: string; kind: string };
