import { probeDue } from '../deployments/probe.ts';
import { advanceAll } from '../promotions/advance.ts';
import { Rounds } from '../rounds.ts';
import { loseAttempt } from '../runners/lose.ts';
import { runnerStates } from '../runners/runner.store.ts';
import type { Services } from '../services.ts';
import { expireJobs } from './expire.ts';
import { expiredAttempts, renewAllLeases } from './lease.ts';

/**
 * Ends what is overdue, and tells watchers when a runner fell silent: nothing else happens at that moment that they could
 * hear of.
 */
export class Sweep {
  readonly #services: Services;
  #connected = '';
  /** The clock's lead over the monotonic one, which nobody can set. */
  #clockAhead: number;
  readonly #rounds: Rounds;
  /** The minute in which hosts that are due were looked for. */
  #lookedIn = 0;

  constructor(services: Services) {
    this.#services = services;
    this.#clockAhead = services.now() - performance.now();
    const failed = 'the sweep for expired leases failed';
    this.#rounds = new Rounds({ log: services.log, failed, work: () => this.#once() });
  }

  /** One at a time: a call while one is under way is part of that. Never rejects. */
  start(): Promise<void> {
    return this.#rounds.go();
  }

  async stop(): Promise<void> {
    await this.#rounds.stop();
  }

  async #once(): Promise<void> {
    await this.#mindTheClock();
    await sweep(this.#services);
    await expireJobs(this.#services);
    await advanceAll(this.#services);
    await this.#lookAtHosts();
    const connected = (await runnerStates(this.#services)).filter((state) => state.connected);
    const names = connected.map(({ runner }) => runner.name).join();
    if (names !== this.#connected) this.#services.live.changed('runners', 'queue');
    this.#connected = names;
  }

  /** Environments are many and pipeline files are read for it: once a minute, as it is counted in minutes. */
  async #lookAtHosts(): Promise<void> {
    const minute = Math.floor(this.#services.now() / 60_000);
    if (minute === this.#lookedIn) return;
    this.#lookedIn = minute;
    await probeDue(this.#services);
  }

  /**
   * When the machine's clock was set to another time, leases cannot be told from it any more: all begin anew, as they do
   * when the server starts. No runner loses its attempt because somebody corrected a clock.
   */
  async #mindTheClock(): Promise<void> {
    const { db, config, now } = this.#services;
    const ahead = now() - performance.now();
    const jumpMs = ahead - this.#clockAhead;
    this.#clockAhead = ahead;
    if (Math.abs(jumpMs) < config.times.renewMs) return;
    this.#services.log.warn({ jumpMs }, "the machine's clock was set; every lease begins anew");
    await renewAllLeases(db, now() + config.times.reassignMs);
  }
}

/** Ends every attempt whose lease has expired; its job is claimed again or given up. */
export async function sweep(services: Services): Promise<void> {
  const now = services.now();
  for (const id of await expiredAttempts(services.db, now)) {
    try {
      await loseAttempt(services, id, { why: 'its runner was not heard of any more', expiredBy: now });
    } catch (error) {
      // The others' builds do not wait for it; the next sweep tries again.
      services.log.error({ err: error, attempt: id }, 'an attempt whose lease expired could not be ended');
    }
  }
}
