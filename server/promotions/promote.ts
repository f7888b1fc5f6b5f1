import type { Caller } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { readEnvironments } from '../environments/read-environments.ts';
import type { Services } from '../services.ts';
import { assertMay, assertNoObjection } from './allowed.ts';
import { candidate } from './artifact.ts';
import { ask } from './ask.ts';
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
  assertNoObjection(weighed.objections);
  assertMay(asked.by, project, weighed.policy.promoters, `promote to ${asked.environment}`);
  const { artifact, build } = chosen;
  return ask(services, project, {
    kind: 'promote',
    environment: weighed.environment,
    configCommit: environments.commit,
    artifact: { id: artifact.id, buildId: build.id, sha256: artifact.sha256 },
    by: asked.by,
    reason: asked.reason,
    approvalsNeeded: weighed.approvalsNeeded,
    confirmOlder: asked.confirmOlder,
    rollbackTo: null,
    repeats: null,
    subject: `${project.name} #${build.number} to ${weighed.environment.name}`,
    detail: { version: build.version, sha256: artifact.sha256, configCommit: environments.commit },
  });
}
