import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import type { ServerConfig } from '../config.ts';
import { newId } from '../db/id.ts';
import type { Database } from '../db/schema.ts';
import type { Services } from '../services.ts';
import type { Vault } from '../vault.ts';

/** Of a runner's lease. */
const BEATS_PER_RENEWAL = 3;
/** A server that was not heard of for so many beats is not there. */
const SILENT_BEATS = 2;
/** What is remembered of servers that are gone. */
const FORGET_MS = 24 * 3_600_000;

interface Options {
  db: Kysely<Database>;
  log: Logger;
  now(): number;
  dataDir: string;
  beatMs: number;
}

/** Where that is which several servers share beside the database, by the names of the settings; null: not set. */
type Engines = Record<'REDIS_URL' | 'STORAGE_URL', string | null>;

/** What a server that joins brings. */
interface Newcomer {
  vault: Pick<Vault, 'mac'>;
  engines: Engines;
  /** It will have the embedded runner, which is one server's alone. */
  withRunner: boolean;
}

/** What being one of several comes to for this server. */
export interface Joined {
  /** No other server is there: runners could not reach any. */
  isFirst: boolean;
  leave(): Promise<void>;
}

/** Joins the servers of the installation. One that can have no others, for want of what they would share, is always the first. */
export async function joinServers(
  services: Pick<Services, 'config' | 'db' | 'log' | 'now' | 'vault'>,
  withRunner: boolean,
): Promise<Joined> {
  const { config, vault } = services;
  if (!isShared(config)) return { isFirst: true, leave: async () => {} };
  const membership = new Membership({
    ...services,
    dataDir: config.dataDir,
    beatMs: Math.ceil(config.times.renewMs / BEATS_PER_RENEWAL),
  });
  const { isFirst } = await membership.join({ vault, engines: enginesOf(config), withRunner });
  return { isFirst, leave: () => membership.leave() };
}

function isShared(config: ServerConfig): boolean {
  return config.redis !== null || config.databaseUrl !== null;
}

/** Without names and passwords, which may be changed at one server after the other. */
function enginesOf({ redis, storage }: Pick<ServerConfig, 'redis' | 'storage'>): Engines {
  return {
    REDIS_URL: redis && JSON.stringify([redis.at, redis.database]),
    STORAGE_URL: storage && JSON.stringify([storage.endpoint, storage.bucket, storage.prefix]),
  };
}

/** This server among those that work on the same database. */
export class Membership {
  readonly #o: Options;
  readonly #id: string;
  readonly #startedAt: number;
  #beat: NodeJS.Timeout | undefined;
  #engines: Engines = { REDIS_URL: null, STORAGE_URL: null };

  constructor(options: Options) {
    this.#o = options;
    this.#id = readId(options.dataDir);
    this.#startedAt = options.now();
  }

  /**
   * Joins the others. Throws a sentence where this server must not: its secret key is another one, or there is another server
   * and not all that several need is the same at both. `isFirst`: no other server is there, so runners could not reach any.
   */
  async join({ vault, engines, withRunner }: Newcomer): Promise<{ isFirst: boolean }> {
    await this.#assertKey(vault);
    this.#engines = {
      REDIS_URL: engines.REDIS_URL && vault.mac(engines.REDIS_URL, 'engine'),
      STORAGE_URL: engines.STORAGE_URL && vault.mac(engines.STORAGE_URL, 'engine'),
    };
    let { others, obstacle } = await this.#enter(withRunner);
    if (obstacle !== null) {
      // One that has just been killed does not look so yet.
      await delay((SILENT_BEATS + 1) * this.#o.beatMs);
      ({ others, obstacle } = await this.#enter(withRunner));
    }
    if (obstacle !== null) throw new Error(obstacle);
    const say = () =>
      void this.#say(this.#o.db).catch((error) => this.#o.log.warn({ err: error }, 'the database is away'));
    this.#beat = setInterval(say, this.#o.beatMs);
    return { isFirst: others === 0 };
  }

  /** Says nothing any more. */
  stop(): void {
    clearInterval(this.#beat);
  }

  /** Says that it is gone. */
  async leave(): Promise<void> {
    this.stop();
    await this.#o.db.deleteFrom('servers').where('id', '=', this.#id).execute();
  }

  /** Is there from then on, unless there is an obstacle. Of two that come at once, the second sees the first. */
  #enter(withRunner: boolean): Promise<{ others: number; obstacle: string | null }> {
    return this.#o.db.transaction().execute(async (trx) => {
      const others = await trx
        .selectFrom('servers')
        .select(['host', 'engines'])
        .where('id', '<>', this.#id)
        .where('seen_at', '>', this.#o.now() - SILENT_BEATS * this.#o.beatMs)
        .execute();
      const obstacle = others
        .map((other) => this.#obstacle(other, withRunner))
        .find((found) => found !== null);
      if (obstacle === undefined) await this.#say(trx);
      return { others: others.length, obstacle: obstacle ?? null };
    });
  }

  #obstacle(other: { host: string; engines: string }, withRunner: boolean): string | null {
    const there = `Another server (${other.host}) works on this database, and`;
    if (withRunner)
      return `${there} beside another one no server has an embedded runner: start this one as reprise server, or stop the other one.`;
    const theirs: Partial<Engines> = JSON.parse(other.engines);
    const names = (['REDIS_URL', 'STORAGE_URL'] as const).filter((name) => {
      const mine = this.#engines[name];
      return mine === null || (theirs[name] !== undefined && theirs[name] !== mine);
    });
    if (names.length > 0)
      return `${there} several need the same ${names.join(' and ')}: set the same for each of them, or stop the other one.`;
    return null;
  }

  async #say(db: Kysely<Database>): Promise<void> {
    const at = this.#o.now();
    const said = { started_at: this.#startedAt, seen_at: at, engines: JSON.stringify(this.#engines) };
    await db
      .insertInto('servers')
      .values({ id: this.#id, host: hostname(), ...said })
      .onConflict((oc) => oc.column('id').doUpdateSet(said))
      .execute();
    await db
      .deleteFrom('servers')
      .where('seen_at', '<', at - FORGET_MS)
      .execute();
  }

  /** Secrets are sealed, and artifacts signed, with one key; whoever comes first says which. */
  async #assertKey(vault: Pick<Vault, 'mac'>): Promise<void> {
    const { db } = this.#o;
    const value = vault.mac('installation', 'fingerprint');
    await db
      .insertInto('installation')
      .values({ name: 'key', value })
      .onConflict((oc) => oc.column('name').doNothing())
      .execute();
    const held = await db
      .selectFrom('installation')
      .select('value')
      .where('name', '=', 'key')
      .executeTakeFirst();
    if (held?.value === value) return;
    throw new Error(
      "This server's secret key is not the one that this database's secrets are sealed with. " +
        'Set the same REPRISE_SECRET_KEY for every server (the secret.key of the first one serves).',
    );
  }
}

/** Kept in the data directory, which no other server has. */
function readId(dataDir: string): string {
  const file = join(dataDir, 'server.id');
  try {
    const id = readFileSync(file, 'utf8').trim();
    if (/^[0-9a-z]{24}$/.test(id)) return id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const id = newId();
  writeFileSync(`${file}.new`, `${id}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return id;
}
