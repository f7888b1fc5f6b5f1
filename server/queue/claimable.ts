import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { isGroupFull, readyHeads } from './heads.ts';

/**
 * The sets of labels, as they are kept with runners, of those who could take a job that is ready. The cost follows the
 * numbers of runners and of different labels and groups that jobs ask for, not the number of jobs.
 */
export async function claimableKinds(db: Kysely<Database>): Promise<string[]> {
  const heads = (await readyHeads(db)).filter((head) => !isGroupFull(head));
  if (heads.length === 0) return [];
  const asked = [...new Set(heads.map(({ runs_on }) => runs_on))].map((labels): string[] =>
    JSON.parse(labels),
  );
  const runners = await db
    .selectFrom('runners')
    .select('labels')
    .distinct()
    .where('draining', '=', 0)
    .execute();
  return runners
    .map(({ labels }) => labels)
    .filter((kind) => {
      const has = new Set<string>(JSON.parse(kind));
      return asked.some((labels) => labels.every((label) => has.has(label)));
    });
}
