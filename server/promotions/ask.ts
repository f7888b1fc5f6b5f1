import type { Environment } from '@reprise/pipelines/model.ts';
import { recordAudit } from '../audit/record.ts';
import type { Caller } from '../auth/caller.ts';
import { newId } from '../db/id.ts';
import type { Project, PromotionKind } from '../db/schema.ts';
import type { Services } from '../services.ts';
import { advance } from './advance.ts';
import { announcePromotion } from './announce.ts';
import { boundDigest } from './bind.ts';

/** What somebody wants live somewhere, weighed and found allowed. */
export interface Wanted {
  kind: PromotionKind;
  environment: Environment;
  /** The commit whose pipeline file defines the environment so. */
  configCommit: string;
  artifact: { id: string; buildId: string; sha256: string };
  by: Caller;
  reason: string;
  approvalsNeeded: number;
  /** It may be older than what is live. */
  confirmOlder: boolean;
  /** Of a rollback whose release may still be there: its name, and by host what was measured of it. */
  rollbackTo: { release: string; digests: Record<string, string> } | null;
  /** The promotion that is done again; null: none was before it. */
  repeats: string | null;
  /** For the audit. */
  subject: string;
  detail: Record<string, unknown>;
}

/** Records a promotion and carries it out as soon as it may be. Returns its id. */
export async function ask(services: Services, project: Project, wanted: Wanted): Promise<string> {
  const { environment, artifact, by, reason, rollbackTo, approvalsNeeded } = wanted;
  const id = newId();
  const at = services.now();
  const isApproved = approvalsNeeded === 0;
  await services.db.transaction().execute(async (trx) => {
    await trx
      .insertInto('promotions')
      .values({
        id,
        project_id: project.id,
        environment: environment.name,
        kind: wanted.kind,
        build_id: artifact.buildId,
        artifact_id: artifact.id,
        sha256: artifact.sha256,
        config: JSON.stringify(environment),
        config_commit: wanted.configCommit,
        bound_sha256: boundDigest({ sha256: artifact.sha256, environment, rollbackTo }),
        rollback_to: rollbackTo && JSON.stringify(rollbackTo),
        repeats: wanted.repeats,
        confirm_older: wanted.confirmOlder ? 1 : 0,
        asked_by: by.name,
        asked_via: by.via,
        asked_by_user: by.userId,
        reason,
        approvals_needed: approvalsNeeded,
        state: isApproved ? 'approved' : 'waiting',
        why: isApproved ? '' : waitsFor(approvalsNeeded),
        created_at: at,
        decided_at: isApproved ? at : null,
      })
      .execute();
    const { subject, detail } = wanted;
    const entry = { at, by, action: 'promotion.ask', project: project.name, subject, reason } as const;
    await recordAudit(trx, { ...entry, detail: { promotion: id, ...detail } });
  });
  announcePromotion(services, project);
  await advance(services, project, environment.name);
  return id;
}

export function waitsFor(approvals: number): string {
  return approvals === 1 ? 'waits for one approval' : `waits for ${approvals} approvals`;
}
