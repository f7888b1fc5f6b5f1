import type { Kysely } from 'kysely';
import { iso } from '../api.ts';
import type { Database, Project } from '../db/schema.ts';
import { viewDeployments } from '../deployments/deployment.view.ts';
import { notFound } from '../http/refusal.ts';
import { promotionsOf } from './live-state.ts';
import type { PromotionAnswer } from './promotion.api.ts';

/** A promotion as the API shows it; refused 404 where the project has none of that id. */
export async function viewPromotion(
  db: Kysely<Database>,
  project: Project,
  id: string,
): Promise<PromotionAnswer> {
  const [found] = await viewPromotions(db, project, [id]);
  if (!found) throw notFound(`The promotion ${id} of ${project.name}`);
  return found;
}

/** Those of these ids that are the project's, in the given order, with their approvals and deployments. */
export async function viewPromotions(
  db: Kysely<Database>,
  project: Project,
  ids: readonly string[],
): Promise<PromotionAnswer[]> {
  const rows = new Map(
    (await promotionsOf(db, ids))
      .filter(({ project_id }) => project_id === project.id)
      .map((row) => [row.id, row]),
  );
  const approvals = await db
    .selectFrom('approvals')
    .selectAll()
    .where('promotion_id', 'in', ids.length === 0 ? [''] : ids)
    .orderBy('at')
    .execute();
  const deployments = await viewDeployments(db, { projectId: project.id, promotions: ids, limit: 200 });
  return ids.flatMap((id) => {
    const row = rows.get(id);
    if (!row) return [];
    const { seq: _, ...deployment } = deployments.find(({ promotion }) => promotion === id) ?? { seq: 0 };
    return {
      id,
      project: project.name,
      environment: row.environment,
      kind: row.kind,
      build: row.build,
      artifact: { name: row.artifact, fileName: row.file_name, sha256: row.sha256 },
      version: row.version ?? '',
      commit: row.commit_sha,
      configCommit: row.config_commit,
      by: row.asked_by,
      reason: row.reason,
      state: row.state,
      why: row.why,
      createdAt: iso(row.created_at),
      decidedAt: iso(row.decided_at),
      approvalsNeeded: row.approvals_needed,
      approvals: approvals
        .filter(({ promotion_id }) => promotion_id === id)
        .map(({ by, at, comment }) => ({ by, at: iso(at), comment })),
      deployment: 'id' in deployment ? deployment : null,
    };
  });
}
