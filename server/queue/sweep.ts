import { loseAttempt } from '../runners/lose.ts';
import { runnerStates } from '../runners/runner.store.ts';
import type { Services } from '../services.ts';
import { expiredAttempts } from './lease.ts';

/**
 * Ends what is overdue, and tells watchers when a runner fell silent: nothing else happens at that moment that they could
 * hear of.
 */
export class Sweep {
  readonly #services: Services;
  #connected = '';
  #running: Promise<void> | undefined;

  constructor(services: Services) {
    this.#services = services;
  }

  /** One at a time: a call while one is under way does nothing. */
  start(): void {
    this.#running ??= this.#once()
      .catch((error) => this.#services.log.error({ err: error }, 'the sweep for expired leases failed'))
      .finally(() => {
        this.#running = undefined;
      });
  }

  async ended(): Promise<void> {
    await this.#running;
  }

  async #once(): Promise<void> {
    await sweep(this.#services);
    const connected = (await runnerStates(this.#services)).filter((state) => state.connected);
    const names = connected.map(({ runner }) => runner.name).join();
    if (names !== this.#connected) this.#services.live.changed('runners', 'queue');
    this.#connected = names;
  }
}

/** Ends every attempt whose lease has expired; its job is claimed again or given up. */
export async function sweep(services: Services): Promise<void> {
  const now = services.now();
  for (const id of await expiredAttempts(services.db, now)) {
    await loseAttempt(services, id, { why: 'its runner was not heard of any more', expiredBy: now });
  }
}
