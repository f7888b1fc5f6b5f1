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

/** In place of when it is due: some server is removing it, or died over that and the next round goes on. */
const BEING_REMOVED = -1;

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
        oc.columns(['store', 'key']).doUpdateSet({ due_at }).where('removals.due_at', '!=', BEING_REMOVED),
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
    .where('due_at', '!=', BEING_REMOVED)
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
 * removed. A server that dies half-way has removed some twice, which is the same.
 */
export async function removeBytes(services: Services): Promise<number> {
  const { db, config, now, log } = services;
  const lock = lockRemovals(config.dataDir, { waitMs: 0 });
  if (!lock) return 0;
  try {
    const due = await db
      .selectFrom('removals')
      .selectAll()
      .where('due_at', '<=', now())
      .orderBy('due_at')
      .limit(AT_ONCE)
      .execute();
    let failed = 0;
    for (const removal of due) {
      try {
        if (!(await claim(db, removal))) continue;
        await REMOVE[removal.store](services, removal.key);
        await db
          .deleteFrom('removals')
          .where('store', '=', removal.store)
          .where('key', '=', removal.key)
          .execute();
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

/** Takes a removal on, unless somebody has come to use what is to be removed. */
async function claim(db: Kysely<Database>, { store, key, due_at }: RemovalTable): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('removals')
    .set({ due_at: BEING_REMOVED })
    .where((eb) => eb.and({ store, key, due_at }))
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** Each looks once more whether something leads there. */
const REMOVE: Record<RemovalTable['store'], (services: Services, key: string) => Promise<void>> = {
  async blobs({ db, blobs }, sha256) {
    if ((await namedBlobs(db, [sha256])).size === 0) await blobs.remove(sha256);
  },
  async logs({ logs }, attempt) {
    await logs.remove(attempt);
  },
  async pins({ db, mirrors }, key) {
    const [projectId = '', sha = ''] = key.split('/');
    const user = await db
      .selectFrom('builds')
      .select('id')
      .where('project_id', '=', projectId)
      .where('commit_sha', '=', sha)
      .limit(1)
      .executeTakeFirst();
    if (user) return;
    await mirrors.unpin({ id: projectId }, sha);
    await db
      .deleteFrom('bundled_commits')
      .where('project_id', '=', projectId)
      .where('commit_sha', '=', sha)
      .execute();
  },
};
