import { sql } from 'kysely';
import type { Services } from '../services.ts';
import type { Storage } from '../storage/open.ts';

/** An engine that has not answered by then is away. */
const ANSWER_MS = 2000;
/** Balancers ask often: for so long the last answer is good. The storage may be far away, and may want money for each request. */
const GOOD_FOR_MS = 500;
const STORAGE_GOOD_FOR_MS = 5000;

/** Whether this server is to be given work: it has started, does not drain, and its engines answer. */
export class Readiness {
  isOpen = false;
  readonly #engines: readonly Engine[];

  constructor({
    reader,
    redis,
    storage,
  }: Pick<Services, 'reader'> & {
    redis: { ping(): Promise<void> } | null;
    storage: Pick<Storage, 'ping'>;
  }) {
    const { ping } = storage;
    this.#engines = [
      new Engine('database', GOOD_FOR_MS, () => sql`select 1`.execute(reader)),
      ...(redis ? [new Engine('redis', GOOD_FOR_MS, () => redis.ping())] : []),
      ...(ping ? [new Engine('storage', STORAGE_GOOD_FOR_MS, ping)] : []),
    ];
  }

  /** The engines that are away. */
  async away(): Promise<string[]> {
    const answers = await Promise.all(this.#engines.map((engine) => engine.isThere()));
    return this.#engines.filter((_, at) => !answers[at]).map(({ name }) => name);
  }
}

/** What the server works with, and what it answered last. */
class Engine {
  readonly name: string;
  readonly #goodForMs: number;
  readonly #ask: () => Promise<unknown>;
  #asked: Promise<boolean> = Promise.resolve(false);
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(name: string, goodForMs: number, ask: () => Promise<unknown>) {
    this.name = name;
    this.#goodForMs = goodForMs;
    this.#ask = ask;
  }

  isThere(): Promise<boolean> {
    if (performance.now() - this.#askedAt < this.#goodForMs) return this.#asked;
    this.#askedAt = performance.now();
    this.#asked = isAnswered(this.#ask());
    return this.#asked;
  }
}

async function isAnswered(asking: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ANSWER_MS);
  const asked = asking.then(
    () => true,
    () => false,
  );
  const answer = await Promise.race([asked, late.promise]);
  clearTimeout(timer);
  return answer;
}
