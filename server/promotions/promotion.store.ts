import type { Kysely } from 'kysely';
import type { Database, Project, Promotion } from '../db/schema.ts';
import { notFound } from '../http/refusal.ts';

/** A promotion of the project; refused 404 where it has none of that id. */
export async function promotionOf(
  db: Kysely<Database>,
  project: Pick<Project, 'id' | 'name'>,
  id: string,
): Promise<Promotion> {
  const found = await db
    .selectFrom('promotions')
    .selectAll()
    .where('project_id', '=', project.id)
    .where('id', '=', id)
    .executeTakeFirst();
  if (!found) throw notFound(`The promotion ${id} of ${project.name}`);
  return found;
}
