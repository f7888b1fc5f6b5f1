import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Database, Project } from '../db/schema.ts';
import { promotionSchema } from '../promotions/promotion.api.ts';
import { viewPromotion } from '../promotions/promotion.view.ts';

export const liveAtSchema = z.object({
  at: z.iso.datetime(),
  promotion: promotionSchema.nullable().describe('What was live; null: nothing that Reprise put there.'),
});

/** What the last complete deployment before a moment had put there. */
export async function liveAt(
  db: Kysely<Database>,
  project: Project,
  { environment, at }: { environment: string; at: number },
): Promise<z.infer<typeof liveAtSchema>> {
  const last = await db
    .selectFrom('deployments')
    .select('promotion_id')
    .where('project_id', '=', project.id)
    .where('environment', '=', environment)
    .where('kind', '<>', 'probe')
    .where('status', '=', 'passed')
    .where('finished_at', '<=', at)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  const promotion = last ? await viewPromotion(db, project, last.promotion_id) : null;
  return { at: new Date(at).toISOString(), promotion };
}
