import type { Kysely, Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';
import type { Remembered } from './compare.ts';

const NOTHING = JSON.stringify({ refs: null, pending: {} } satisfies Remembered);

/** Lets projects be looked at that never were, each when `dueAt` says. */
export async function addUnseen(db: Kysely<Database>, dueAt: () => number): Promise<void> {
  const fresh = await db
    .selectFrom('projects')
    .leftJoin('lookouts', 'lookouts.project_id', 'projects.id')
    .select('projects.id')
    .where('lookouts.project_id', 'is', null)
    .execute();
  if (fresh.length === 0) return;
  await db
    .insertInto('lookouts')
    .values(fresh.map(({ id }) => ({ project_id: id, due_at: dueAt(), remembered: NOTHING })))
    .onConflict((oc) => oc.doNothing())
    .execute();
}

/** Remembers `after` of a project; nothing, where `before` is no longer what was remembered. */
export async function rememberHeads(
  db: Kysely<Database>,
  projectId: string,
  o: { before: string; after: Remembered; dueAt: number | null },
): Promise<void> {
  await db
    .updateTable('lookouts')
    .set({ remembered: JSON.stringify(o.after), ...(o.dueAt !== null && { due_at: o.dueAt }) })
    .where('project_id', '=', projectId)
    .where('remembered', '=', o.before)
    .execute();
}

/** The next look only remembers what there is, as the first one did. */
export async function forgetHeads(trx: Transaction<Database>, projectId: string): Promise<void> {
  await trx
    .updateTable('lookouts')
    .set({ remembered: NOTHING })
    .where('project_id', '=', projectId)
    .execute();
}
