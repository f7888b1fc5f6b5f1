import type { Kysely } from 'kysely';
import type { Database, RemovalTable } from '../db/schema.ts';
import type { Services } from '../services.ts';
import { namedBlobs } from './named-blobs.ts';
import { removeLater } from './removals.ts';

/**
 * Younger objects are left alone. What is stored is recorded when its job ends, which a runner that lost its way to the servers may
 * report hours later. Nothing depends on it: a result whose bytes are gone is refused, and they are sent again.
 */
const SAFE_AGE_MS = 24 * 3_600_000;

/** Objects looked at in one go, a few requests to a storage; a million of them take some days. */
const AT_ONCE = 2000;
/** Of them asked about in one statement. */
const ASKED_AT_ONCE = 500;

/** Servers that died leave some objects that no record names. More than these, and a quarter of all, are another installation's. */
const PLAUSIBLE = 20;
const PLAUSIBLE_SHARE = 0.25;

type Swept = 'blobs' | 'logs';

/**
 * Finds bytes that a server stored and died before it recorded them, or before it could remove them. They are noted for removal like
 * what retention has taken from builds, so that whoever comes to use one meanwhile keeps it.
 */
export class Unrecorded {
  readonly #services: Services;
  /** The key after which the next go begins. */
  readonly #after: Record<Swept, string> = { blobs: '', logs: '' };

  constructor(services: Services) {
    this.#services = services;
  }

  /** Looks at some more of what is stored, and begins again at its end; returns how much was noted. */
  async look(): Promise<number> {
    return (await this.#lookAt('blobs')) + (await this.#lookAt('logs'));
  }

  async #lookAt(store: Swept): Promise<number> {
    const { db, log, now, storage } = this.#services;
    const old = new Set<string>();
    let seen = 0;
    let last = '';
    for await (const { key, storedAt } of storage[store].list({ after: this.#after[store] })) {
      seen += 1;
      last = key;
      const [, name] = NAMED[store].pattern.exec(key) ?? [];
      if (name !== undefined && storedAt <= now() - SAFE_AGE_MS) old.add(name);
      if (seen === AT_ONCE) break;
    }
    this.#after[store] = seen === AT_ONCE ? last : '';
    const unknown = await unknownOf(db, store, [...old]);
    if (unknown.length === 0) return 0;
    if (unknown.length > PLAUSIBLE && unknown.length > PLAUSIBLE_SHARE * old.size) {
      const found = { store, unknown: unknown.length, of: old.size };
      log.error(
        found,
        'much of what is stored is not recorded, so it stays: do two installations share a storage?',
      );
      return 0;
    }
    await db.transaction().execute((trx) => removeLater(trx, store, unknown, now()));
    log.warn(
      { store, count: unknown.length, first: unknown[0] },
      'stored bytes that no record names are removed',
    );
    return unknown.length;
  }
}

/** Those that no record names, and that are not noted already: a note keeps its time. */
async function unknownOf(db: Kysely<Database>, store: Swept, names: readonly string[]): Promise<string[]> {
  const unknown: string[] = [];
  for (let at = 0; at < names.length; at += ASKED_AT_ONCE) {
    const some = names.slice(at, at + ASKED_AT_ONCE);
    const known = await NAMED[store].known(db, some);
    const noted = await notedOf(db, store, some);
    unknown.push(...some.filter((name) => !known.has(name) && !noted.has(name)));
  }
  return unknown;
}

async function notedOf(
  db: Kysely<Database>,
  store: RemovalTable['store'],
  names: readonly string[],
): Promise<Set<string>> {
  const rows = await db
    .selectFrom('removals')
    .select('key')
    .where('store', '=', store)
    .where('key', 'in', names)
    .execute();
  return new Set(rows.map(({ key }) => key));
}

/** The keys that Reprise gives, by what they name; others are somebody else's. And which of those names are recorded. */
const NAMED: Record<
  Swept,
  { pattern: RegExp; known(db: Kysely<Database>, names: readonly string[]): Promise<Set<string>> }
> = {
  blobs: { pattern: /^..\/([0-9a-f]{64})$/, known: namedBlobs },
  logs: {
    pattern: /^..\/([0-9a-z]{8,40})\.log(?:\.lines)?$/,
    async known(db, attempts) {
      const rows = await db.selectFrom('attempts').select('id').where('id', 'in', attempts).execute();
      return new Set(rows.map(({ id }) => id));
    },
  },
};
