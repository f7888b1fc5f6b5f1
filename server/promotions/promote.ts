import { recordAudit } from '../audit/record.ts';
import { type Caller, roleIn } from '../auth/caller.ts';
import { isAtLeast } from '../auth/role.ts';
import { newId } from '../db/id.ts';
import type { Project } from '../db/schema.ts';
import { readEnvironments } from '../environments/read-environments.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { advance } from './advance.ts';
import { announcePromotion } from './announce.ts';
import { candidate } from './artifact.ts';
import { boundDigest } from './bind.ts';
import type { NewPromotion } from './promotion.api.ts';
import { weigh } from './weigh.ts';

/**
 * Asks for an artifact to go to an environment, as the head of the default branch defines it now: the configuration is recorded, and
 * what is deployed is exactly that. Refuses 409 `rule` with every rule that says no. Returns the promotion's id; it is carried out
 * as soon as enough others have said yes and nothing else is under way there.
 */
export async function promote(
  services: Services,
  project: Project,
  asked: NewPromotion & { by: Caller; signal?: AbortSignal },
): Promise<string> {
  const environments = await readEnvironments(services, project, { fresh: true, signal: asked.signal });
  const chosen = await candidate(services, project, asked);
  const weighed = await weigh(services, project, { ...asked, candidate: chosen, environments });
  refuse(weighed.objections);
  assertMay(asked.by, project, weighed.policy.promoters, `promote to ${asked.environment}`);

  const { db, now } = services;
  const { environment } = weighed;
  const id = newId();
  const at = now();
  const needed = weighed.approvalsNeeded;
  await db.transaction().execute(async (trx) => {
    await trx
      .insertInto('promotions')
      .values({
        id,
        project_id: project.id,
        environment: environment.name,
        kind: 'promote',
        build_id: chosen.build.id,
        artifact_id: chosen.artifact.id,
        sha256: chosen.artifact.sha256,
        config: JSON.stringify(environment),
        config_commit: environments.commit,
        bound_sha256: boundDigest({ sha256: chosen.artifact.sha256, environment, rollbackTo: null }),
        asked_by: asked.by.name,
        asked_via: asked.by.via,
        asked_by_user: asked.by.userId,
        reason: asked.reason,
        approvals_needed: needed,
        state: needed > 0 ? 'waiting' : 'approved',
        why: needed > 0 ? waitsFor(needed) : '',
        created_at: at,
        decided_at: needed > 0 ? null : at,
      })
      .execute();
    await recordAudit(trx, {
      at,
      by: asked.by,
      action: 'promotion.ask',
      project: project.name,
      subject: `${project.name} #${chosen.build.number} to ${environment.name}`,
      reason: asked.reason,
      detail: {
        promotion: id,
        version: chosen.build.version,
        sha256: chosen.artifact.sha256,
        configCommit: environments.commit,
      },
    });
  });
  announcePromotion(services, project);
  await advance(services, project, environment.name);
  return id;
}

/** All of them at once, so that nobody finds them one after the other. */
export function refuse(objections: readonly { rule: string; sentence: string }[]): void {
  const [first] = objections;
  if (!first) return;
  const sentence = objections.map((objection) => objection.sentence).join(' ');
  throw new Refusal(409, 'rule', sentence, { rule: first.rule, objections });
}

/** Beyond what the route asks: an environment may be for administrators only. */
export function assertMay(by: Caller, project: Project, role: 'deployer' | 'admin', what: string): void {
  if (isAtLeast(roleIn(by, project.name), role)) return;
  throw new Refusal(403, 'forbidden', `${by.name} may not ${what}: it needs the role ${role}.`);
}

export function waitsFor(approvals: number): string {
  return approvals === 1 ? 'waits for one approval' : `waits for ${approvals} approvals`;
}
