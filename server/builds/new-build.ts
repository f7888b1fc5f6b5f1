import { sql, type Transaction } from 'kysely';
import { newId } from '../db/id.ts';
import type { Database, NewBuild } from '../db/schema.ts';

/** What is known of a build when it is asked for; everything else follows from planning it. */
export type AskedBuild = Pick<
  NewBuild,
  | 'commit_sha'
  | 'ref'
  | 'branch'
  | 'tag'
  | 'pull_request'
  | 'message'
  | 'author_name'
  | 'author_email'
  | 'trigger_kind'
  | 'trigger_by'
  | 'trigger_reason'
  | 'delivery_id'
  | 'changed_paths'
  | 'needs_approval'
> &
  Partial<NewBuild>;

/** Gives the project's next number to a new queued build, which the planner then finds. Returns that number. */
export async function insertBuild(
  trx: Transaction<Database>,
  projectId: string,
  asked: AskedBuild,
  now: number,
): Promise<number> {
  const { last_build_number: number, github } = await trx
    .updateTable('projects')
    .set({ last_build_number: sql<number>`last_build_number + 1` })
    .where('id', '=', projectId)
    .returning(['last_build_number', 'github'])
    .executeTakeFirstOrThrow();
  await trx
    .insertInto('builds')
    .values({
      ...asked,
      id: newId(),
      project_id: projectId,
      number,
      status: 'queued',
      why: '',
      queued_at: now,
      revision: 1,
      github_told: github === null ? null : '',
    })
    .execute();
  return number;
}
