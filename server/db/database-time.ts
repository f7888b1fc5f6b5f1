import { type Kysely, sql } from 'kysely';
import type { Logger } from 'pino';
import { Rounds } from '../rounds.ts';
import { DatabaseAway } from './away.ts';
import type { Database } from './schema.ts';

const EVERY_MS = 10_000;
/** Asked so often at once, the quickest answer says most exactly what time it is there. */
const ASKED = 3;
/** A machine whose clock is off by more is said to be. */
const NOTABLE_MS = 5_000;

interface Options {
  reader: Kysely<Database>;
  log: Logger;
  /** What the machine takes for the time. */
  machine?: () => number;
}

/**
 * PostgreSQL's time, which is that of all servers that work on it: leases that one gives are judged by another. Between two answers it goes
 * on by what nobody can set, so that what becomes of the machine's own clock changes nothing.
 */
export class DatabaseTime {
  readonly #o: Options;
  readonly #rounds: Rounds;
  /** Its lead over the monotonic clock. */
  #ahead: number;
  #isOffSaid = false;

  private constructor(o: Options) {
    this.#o = o;
    this.#ahead = Number.NaN;
    const failed = 'the database could not be asked for its time; it goes on as it was';
    this.#rounds = new Rounds({ log: o.log, failed, work: () => this.#askAgain() });
  }

  /** Knows the time when it resolves, and asks again from time to time. */
  static async start(o: Options): Promise<DatabaseTime> {
    const time = new DatabaseTime(o);
    await time.#ask();
    time.#rounds.every(EVERY_MS);
    return time;
  }

  /** Milliseconds since 1970. */
  readonly now = (): number => this.#ahead + performance.now();

  async stop(): Promise<void> {
    await this.#rounds.stop();
  }

  /** While the database is away its time goes on. */
  async #askAgain(): Promise<void> {
    await this.#ask().catch((error: unknown) => {
      if (!(error instanceof DatabaseAway)) throw error;
    });
  }

  async #ask(): Promise<void> {
    let best = { tookMs: Number.POSITIVE_INFINITY, ahead: 0 };
    for (let asked = 0; asked < ASKED; asked += 1) {
      const answer = await this.#askOnce();
      if (answer.tookMs < best.tookMs) best = answer;
    }
    // The first time whatever it is; then a difference that the way may have made is none.
    if (!(Math.abs(best.ahead - this.#ahead) <= best.tookMs)) this.#ahead = best.ahead;
    this.#sayIfOff();
  }

  async #askOnce(): Promise<{ tookMs: number; ahead: number }> {
    const began = performance.now();
    const { rows } = await sql<{ now: number }>`
      select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`.execute(this.#o.reader);
    const tookMs = performance.now() - began;
    return { tookMs, ahead: Number(rows[0]?.now) - began - tookMs / 2 };
  }

  #sayIfOff(): void {
    const { log, machine = Date.now } = this.#o;
    const aheadMs = Math.round(machine() - this.now());
    const isOff = Math.abs(aheadMs) > NOTABLE_MS;
    if (isOff && !this.#isOffSaid)
      log.warn({ aheadMs }, "this machine's clock is not the database's, whose time is taken: set it (NTP)");
    this.#isOffSaid = isOff;
  }
}
