import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { announceNew } from './announce.ts';
import { wholeBuild } from './build.store.ts';
import { insertBuild } from './new-build.ts';

/**
 * Makes a build of the same commit with the recorded plan, version, tags and facts of build `number`, whatever its
 * repository says today; returns the new number. A build that never got a plan is planned from the same commit again,
 * past its filters. A fork's approval holds for the same commit; one that was not given is still waited for.
 */
export async function rebuild(
  services: Services,
  project: Project,
  { number, reason, by }: { number: number; reason: string; by: Actor },
): Promise<number> {
  const now = services.now();
  const made = await services.db.transaction().execute(async (trx) => {
    const old = await wholeBuild(trx, project.id, number);
    if (!old) throw notFound(`Build ${project.name} #${number}`);
    if (old.planned_at === null && old.status === 'queued') {
      const wait = 'is not planned yet: there is nothing to repeat. Try again when it is.';
      throw new Refusal(409, 'conflict', `Build ${project.name} #${number} ${wait}`);
    }
    const made = await insertBuild(
      trx,
      project.id,
      {
        commit_sha: old.commit_sha,
        ref: old.ref,
        branch: old.branch,
        tag: old.tag,
        pull_request: old.pull_request,
        message: old.message,
        author_name: old.author_name,
        author_email: old.author_email,
        trigger_kind: 'rebuild',
        trigger_by: by.name,
        trigger_reason: reason,
        delivery_id: null,
        changed_paths: null,
        rebuild_of: number,
        pipeline_ref: old.pipeline_ref,
        version: old.version,
        commit_time: old.commit_time,
        pipeline_from: old.pipeline_from,
        plan: old.plan,
        plan_sha256: old.plan_sha256,
        tags: old.tags,
        needs_approval: old.needs_approval,
        approved_by: old.approved_by,
        approved_at: old.approved_at,
      },
      now,
    );
    await recordAudit(trx, {
      at: now,
      by,
      action: 'build.rebuild',
      project: project.name,
      subject: `${project.name} #${made}`,
      reason,
      detail: { rebuildOf: number },
    });
    return made;
  });
  announceNew(services, [{ project: project.name, number: made }]);
  services.live.changed('audit');
  return made;
}
