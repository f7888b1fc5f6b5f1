import type { Kysely } from 'kysely';
import type { Database, Project } from '../db/schema.ts';
import type { Verdict } from './draw.ts';

/** The project of that name, if anybody may see its badge. */
export function publicProject(db: Kysely<Database>, name: string): Promise<Project | undefined> {
  return db
    .selectFrom('projects')
    .selectAll()
    .where('name', '=', name)
    .where('public', '=', 1)
    .executeTakeFirst();
}

/** How the newest build of a branch ended that said something of its commit: neither skipped nor cancelled. */
export async function verdictOn(db: Kysely<Database>, projectId: string, branch: string): Promise<Verdict> {
  const build = await db
    .selectFrom('builds')
    .select('status')
    .where('project_id', '=', projectId)
    .where('branch', '=', branch)
    .where('status', 'in', ['passed', 'failed', 'errored'])
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  return (build?.status ?? null) as Verdict;
}
