import type { Selectable } from 'kysely';
import type { TryTable } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';

/** From the first failed try on, so long are they counted. */
const WINDOW_MS = 15 * 60_000;

/** So many failed tries of whoever `of` describes, and the next is refused. */
export interface Limit {
  of: readonly string[];
  most: number;
  /** Where it does not hold; asked only once it is reached. */
  exempt?(): Promise<boolean>;
}

/**
 * Counts failed tries in the records, so that all servers of an installation count together and a restart forgives nothing. What was
 * typed is kept as a keyed digest only: people type passwords where names belong. Each failure takes away what is over, so no more
 * is held than two windows bring.
 */
export class Tries {
  readonly #services: Pick<Services, 'db' | 'vault' | 'now'>;

  constructor(services: Pick<Services, 'db' | 'vault' | 'now'>) {
    this.#services = services;
  }

  /** Refuses 429 whoever has no try left. */
  async assertOpen(limits: readonly Limit[]): Promise<void> {
    const held = await this.#services.db
      .selectFrom('tries')
      .selectAll()
      .where(
        'key',
        'in',
        limits.map((limit) => this.#keyOf(limit.of)),
      )
      .where('ends_at', '>', this.#services.now())
      .execute();
    await this.#refuse(limits, held, (count, most) => count >= most);
  }

  /** Takes a try before it is known how it goes, so that tries made at once are counted too; refused like `assertOpen`. */
  async take(limits: readonly Limit[]): Promise<void> {
    const at = this.#services.now();
    const held = await this.#services.db.transaction().execute(async (trx) => {
      await trx.deleteFrom('tries').where('ends_at', '<=', at).execute();
      return trx
        .insertInto('tries')
        .values(limits.map(({ of }) => ({ key: this.#keyOf(of), count: 1, ends_at: at + WINDOW_MS })))
        .onConflict((oc) => oc.column('key').doUpdateSet((eb) => ({ count: eb('tries.count', '+', 1) })))
        .returningAll()
        .execute();
    });
    await this.#refuse(limits, held, (count, most) => count > most);
  }

  /** Gives one try back to each of these, and forgets all tries of those. */
  async giveBack(o: { one: readonly Limit[]; all: readonly Limit[] }): Promise<void> {
    const keys = (limits: readonly Limit[]) => limits.map(({ of }) => this.#keyOf(of));
    await this.#services.db.transaction().execute(async (trx) => {
      await trx.deleteFrom('tries').where('key', 'in', keys(o.all)).execute();
      await trx
        .updateTable('tries')
        .set((eb) => ({ count: eb('count', '-', 1) }))
        .where('key', 'in', keys(o.one))
        .where('count', '>', 0)
        .execute();
    });
  }

  async #refuse(
    limits: readonly Limit[],
    held: readonly Selectable<TryTable>[],
    isOver: (count: number, most: number) => boolean,
  ): Promise<void> {
    const byKey = new Map(held.map((tries) => [tries.key, tries]));
    for (const { of, most, exempt } of limits) {
      const tries = byKey.get(this.#keyOf(of));
      if (!tries || !isOver(tries.count, most) || (await exempt?.())) continue;
      throw tooMany(tries.ends_at - this.#services.now());
    }
  }

  #keyOf(of: readonly string[]): string {
    return this.#services.vault.mac(JSON.stringify(of), 'tries');
  }
}

function tooMany(waitMs: number): Refusal {
  const retryAfter = Math.max(1, Math.ceil(waitMs / 1000));
  const minutes = Math.ceil(retryAfter / 60);
  return new Refusal(
    429,
    'rate-limited',
    `Too many failed tries. Wait ${minutes === 1 ? 'a minute' : `${minutes} minutes`} and try again.`,
    { retryAfter },
  );
}
