import type { Kysely, Transaction } from 'kysely';
import type { Database, RemovalTable } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import { lockRemovals } from '../lock.ts';
import type { Services } from '../services.ts';
import { namedBlobs } from './named-blobs.ts';

/**
 * A blob that no record names any more stays so long: a runner may just have been told that it need not send it, for an
 * artifact that is recorded when its job ends.
 */
const BLOB_GRACE_MS = 3_600_000;

/**
 * Since when some server is removing something stands, negated, in place of when it is due: this mark is that server's claim. Others
 * wait so long until they take it for dead, which is longer than any request to a storage lasts with all its repeats (`storage/s3.ts`).
 */
const ABANDONED_MS = 15 * 60_000;

/** Looked at in one go. */
const AT_ONCE = 100;
/** Noted in one statement. */
const MOST_ROWS = 1000;

/** Notes, inside the transaction that takes away what led to them, that these bytes are to be removed. */
export async function removeLater(
  trx: Transaction<Database>,
  store: RemovalTable['store'],
  keys: readonly string[],
  now: number,
): Promise<void> {
  const due_at = store === 'blobs' ? now + BLOB_GRACE_MS : now;
  const rows = [...new Set(keys)].map((key) => ({ store, key, due_at }));
  for (let at = 0; at < rows.length; at += MOST_ROWS)
    await trx
      .insertInto('removals')
      .values(rows.slice(at, at + MOST_ROWS))
      .onConflict((oc) =>
        oc.columns(['store', 'key']).doUpdateSet({ due_at }).where('removals.due_at', '>', 0),
      )
      .execute();
}

/**
 * Somebody is about to use a blob: what is noted about its removal does not hold any more. Refuses (503, to be tried again) while it is
 * being removed. Whoever calls it, looks whether the blob is there, and records it within the hour's grace, has it for good.
 */
export async function keepBlob(db: Kysely<Database>, sha256: string): Promise<void> {
  const noted = { store: 'blobs', key: sha256 } as const;
  await db
    .deleteFrom('removals')
    .where((eb) => eb.and(noted))
    .where('due_at', '>', 0)
    .execute();
  const removing = await db
    .selectFrom('removals')
    .select('key')
    .where((eb) => eb.and(noted))
    .executeTakeFirst();
  if (!removing) return;
  const sentence = `The blob ${sha256} is being removed, as nothing led to it. Try again in a moment.`;
  throw new Refusal(503, 'unavailable', sentence);
}

/**
 * Removes bytes that are due and that nothing leads to by now; returns how many it looked at. While a backup copies them none is
 * removed. What a server died over, another removes once more later, which is the same.
 */
export async function removeBytes(services: Services): Promise<number> {
  const { db, config, now, log } = services;
  const lock = lockRemovals(config.dataDir, { waitMs: 0 });
  if (!lock) return 0;
  try {
    const at = now();
    const due = await db
      .selectFrom('removals')
      .selectAll()
      .where('due_at', '>=', ABANDONED_MS - at)
      .where('due_at', '<=', at)
      .orderBy('due_at')
      .limit(AT_ONCE)
      .execute();
    let failed = 0;
    for (const removal of due) {
      try {
        await carryOut(services, removal);
      } catch (error) {
        failed += 1;
        log.warn(
          { err: error, ...removal },
          'what nothing needs any more could not be removed; it is tried again',
        );
      }
    }
    return failed === 0 ? due.length : 0;
  } finally {
    lock.release();
  }
}

/**
 * The claim is made anew right before the bytes go: a server that was held up since has lost it to another, and what was stored
 * after that one's removal is not to go. A removal that failed stays claimed, as the storage may carry it out yet.
 */
async function carryOut(services: Services, removal: RemovalTable): Promise<void> {
  const { db, now } = services;
  const { isNeeded, remove } = REMOVE[removal.store];
  let claimed = await claim(db, removal, now());
  if (claimed && !(await isNeeded(services, removal.key))) {
    claimed = await claim(db, claimed, now());
    if (claimed) await remove(services, removal.key);
  }
  if (claimed)
    await db
      .deleteFrom('removals')
      .where((eb) => eb.and({ ...claimed }))
      .execute();
}

/** Takes a removal on, unless somebody has come to use what is to be removed, or another server is about it: null then. */
async function claim(
  db: Kysely<Database>,
  { store, key, due_at }: RemovalTable,
  at: number,
): Promise<RemovalTable | null> {
  const { numUpdatedRows } = await db
    .updateTable('removals')
    .set({ due_at: -at })
    .where((eb) => eb.and({ store, key, due_at }))
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n ? { store, key, due_at: -at } : null;
}

/** How each kind goes, and whether something has come to lead there again. */
interface Removing {
  isNeeded(services: Services, key: string): Promise<boolean>;
  remove(services: Services, key: string): Promise<void>;
}

const REMOVE: Record<RemovalTable['store'], Removing> = {
  blobs: {
    async isNeeded({ db }, sha256) {
      return (await namedBlobs(db, [sha256])).size > 0;
    },
    remove: ({ blobs }, sha256) => blobs.remove(sha256),
  },
  logs: {
    isNeeded: async () => false,
    remove: ({ logs }, attempt) => logs.remove(attempt),
  },
  pins: {
    async isNeeded({ db }, key) {
      const { projectId, sha } = pinOf(key);
      const user = await db
        .selectFrom('builds')
        .select('id')
        .where('project_id', '=', projectId)
        .where('commit_sha', '=', sha)
        .limit(1)
        .executeTakeFirst();
      return user !== undefined;
    },
    async remove({ db, mirrors }, key) {
      const { projectId, sha } = pinOf(key);
      await mirrors.unpin({ id: projectId }, sha);
      await db
        .deleteFrom('bundled_commits')
        .where('project_id', '=', projectId)
        .where('commit_sha', '=', sha)
        .execute();
    },
  },
};

function pinOf(key: string): { projectId: string; sha: string } {
  const [projectId = '', sha = ''] = key.split('/');
  return { projectId, sha };
}
