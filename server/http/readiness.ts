import { sql } from 'kysely';
import type { Services } from '../services.ts';

/** An engine that has not answered by then is away. */
const ANSWER_MS = 2000;
/** Balancers ask often: for so long the last answer is good. */
const GOOD_FOR_MS = 500;

/** Whether this server is to be given work: it has started, does not drain, and its engines answer. */
export class Readiness {
  isOpen = false;
  readonly #engines: Record<string, () => Promise<unknown>>;
  #asked: Promise<string[]> = Promise.resolve([]);
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor({ reader }: Pick<Services, 'reader'>, redis: { ping(): Promise<void> } | null) {
    this.#engines = {
      database: () => sql`select 1`.execute(reader),
      ...(redis && { redis: () => redis.ping() }),
    };
  }

  /** The engines that are away. */
  away(): Promise<string[]> {
    if (performance.now() - this.#askedAt < GOOD_FOR_MS) return this.#asked;
    this.#askedAt = performance.now();
    this.#asked = this.#askAll();
    return this.#asked;
  }

  async #askAll(): Promise<string[]> {
    const names = Object.keys(this.#engines);
    const answers = await Promise.all(names.map((name) => isThere(this.#engines[name])));
    return names.filter((_, at) => !answers[at]);
  }
}

async function isThere(ask: (() => Promise<unknown>) | undefined): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ANSWER_MS);
  const asked = Promise.resolve(ask?.()).then(
    () => true,
    () => false,
  );
  const answer = await Promise.race([asked, late.promise]);
  clearTimeout(timer);
  return answer;
}
