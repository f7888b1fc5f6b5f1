import type { Kysely } from 'kysely';
import { newId } from '../db/id.ts';
import type { Database } from '../db/schema.ts';
import { type Holds, HoldsHere } from './holds.ts';

/** For several servers: rows of the database, each renewed while the work goes on, and anybody's when its server is gone. */
export class SharedHolds implements Holds {
  readonly #here = new HoldsHere();
  readonly #o: { db: Kysely<Database>; now(): number; holdMs: number };
  /** Of this process: what one that died held is anybody's after `holdMs`. */
  readonly #holder = newId();

  /** `holdMs`: a hold that was not renewed for so long is over. */
  constructor(o: { db: Kysely<Database>; now(): number; holdMs: number }) {
    this.#o = o;
  }

  async with(name: string, work: () => Promise<void>): Promise<boolean> {
    let isTaken = false;
    await this.#here.with(name, async () => {
      isTaken = await this.#take(name);
      if (isTaken) await this.#renewingDuring(name, work);
    });
    return isTaken;
  }

  async #renewingDuring(name: string, work: () => Promise<void>): Promise<void> {
    const renew = () => void this.#take(name).catch(() => {}); // The next renewal comes before it is over.
    const renewing = setInterval(renew, this.#o.holdMs / 3);
    try {
      await work();
    } finally {
      clearInterval(renewing);
      await this.#o.db
        .deleteFrom('holds')
        .where('name', '=', name)
        .where('holder', '=', this.#holder)
        .execute();
    }
  }

  async #take(name: string): Promise<boolean> {
    const at = this.#o.now();
    const taken = { holder: this.#holder, expires_at: at + this.#o.holdMs };
    const { numInsertedOrUpdatedRows } = await this.#o.db
      .insertInto('holds')
      .values({ name, ...taken })
      .onConflict((oc) =>
        oc
          .column('name')
          .doUpdateSet(taken)
          .where((eb) => eb.or([eb('holds.holder', '=', this.#holder), eb('holds.expires_at', '<=', at)])),
      )
      .executeTakeFirstOrThrow();
    return numInsertedOrUpdatedRows === 1n;
  }
}
