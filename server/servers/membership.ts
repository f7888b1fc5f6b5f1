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

/** What being one of several comes to for this server. */
export interface Joined {
  /** No other server is there: runners could not reach any. */
  isFirst: boolean;
  leave(): Promise<void>;
}

/** Joins the servers of the installation. One that can have no others, for want of what they would share, is always the first. */
export async function joinServers(
  services: Pick<Services, 'config' | 'db' | 'log' | 'now' | 'vault'>,
): Promise<Joined> {
  const { config, vault } = services;
  if (!isShared(config)) return { isFirst: true, leave: async () => {} };
  const membership = new Membership({
    ...services,
    dataDir: config.dataDir,
    beatMs: Math.ceil(config.times.renewMs / BEATS_PER_RENEWAL),
  });
  const missing = [
    ...(config.redis === null ? ['REDIS_URL'] : []),
    ...(config.storage === null ? ['STORAGE_URL'] : []),
  ];
  const { isFirst } = await membership.join(vault, missing);
  return { isFirst, leave: () => membership.leave() };
}

function isShared(config: ServerConfig): boolean {
  return config.redis !== null || config.databaseUrl !== null;
}

/** This server among those that work on the same database. */
export class Membership {
  readonly #o: Options;
  readonly #id: string;
  readonly #startedAt: number;
  #beat: NodeJS.Timeout | undefined;

  constructor(options: Options) {
    this.#o = options;
    this.#id = readId(options.dataDir);
    this.#startedAt = options.now();
  }

  /**
   * Joins the others. Throws a sentence where this server must not: its secret key is another one, or there is another server
   * and `missing` names settings that several need. `isFirst`: no other server is there, so runners could not reach any.
   */
  async join(vault: Pick<Vault, 'mac'>, missing: readonly string[]): Promise<{ isFirst: boolean }> {
    await this.#assertKey(vault);
    let other = await this.#other();
    if (other && missing.length > 0) {
      // One that has just been killed does not look so yet.
      await delay((SILENT_BEATS + 1) * this.#o.beatMs);
      other = await this.#other();
      if (other)
        throw new Error(
          `Another server (${other.host}) works on this database, and several need ${missing.join(' and ')}: ` +
            'set the same for each of them, or stop the other one.',
        );
    }
    await this.#say();
    const say = () =>
      void this.#say().catch((error) => this.#o.log.warn({ err: error }, 'the database is away'));
    this.#beat = setInterval(say, this.#o.beatMs);
    return { isFirst: other === undefined };
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

  #other() {
    return this.#o.db
      .selectFrom('servers')
      .select('host')
      .where('id', '<>', this.#id)
      .where('seen_at', '>', this.#o.now() - SILENT_BEATS * this.#o.beatMs)
      .executeTakeFirst();
  }

  async #say(): Promise<void> {
    const { db, now } = this.#o;
    const at = now();
    await db
      .insertInto('servers')
      .values({ id: this.#id, host: hostname(), started_at: this.#startedAt, seen_at: at })
      .onConflict((oc) => oc.column('id').doUpdateSet({ seen_at: at, started_at: this.#startedAt }))
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
