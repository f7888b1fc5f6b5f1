import type { Kysely } from 'kysely';
import type { AuditRow, Database } from '../db/schema.ts';

/** Which part of the audit a caller may read: all of it, or what happened in projects, of which null means every one. */
export type Readable = 'everything' | { projects: readonly string[] | null };

export interface AuditFilter {
  project?: string | undefined;
  actor?: string | undefined;
  /** `build.cancel`, or `build` for all that can be done to builds. */
  action?: string | undefined;
  /** Only entries with a smaller `seq`. */
  before?: number | undefined;
  limit: number;
}

/** Entries, newest first. The ones to show are found in an index alone, then read whole. */
export function listAudit(
  db: Kysely<Database>,
  readable: Readable,
  filter: AuditFilter,
): Promise<AuditRow[]> {
  return db
    .selectFrom('audit')
    .selectAll()
    .where('seq', 'in', matching(db, readable, filter))
    .orderBy('seq', 'desc')
    .execute();
}

function matching(
  db: Kysely<Database>,
  readable: Readable,
  { project, actor, action, before, limit }: AuditFilter,
) {
  let query = db.selectFrom('audit').select('seq');
  if (readable !== 'everything') {
    query =
      readable.projects === null
        ? query.where('project', 'is not', null)
        : query.where('project', 'in', readable.projects);
  }
  if (project !== undefined) query = query.where('project', '=', project);
  if (actor !== undefined) query = query.where('actor', '=', actor);
  if (action?.includes('.')) query = query.where('action', '=', action);
  // A range of an index: "/" follows "." in ASCII.
  else if (action !== undefined)
    query = query.where('action', '>', `${action}.`).where('action', '<', `${action}/`);
  if (before !== undefined) query = query.where('seq', '<', before);
  return query.orderBy('seq', 'desc').limit(limit);
}
