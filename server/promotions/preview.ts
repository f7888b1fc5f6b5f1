import { iso } from '../api.ts';
import type { Project } from '../db/schema.ts';
import { readEnvironments } from '../environments/read-environments.ts';
import type { Services } from '../services.ts';
import { candidate } from './artifact.ts';
import type { Preview } from './promotion.api.ts';
import { weigh } from './weigh.ts';

/** What promoting would change and what speaks against it, for whoever is about to ask. */
export async function previewPromotion(
  services: Services,
  project: Project,
  asked: { build: number; artifact?: string | undefined; environment: string },
): Promise<Preview> {
  const environments = await readEnvironments(services, project, { fresh: false });
  const chosen = await candidate(services, project, asked);
  const weighed = await weigh(services, project, {
    ...asked,
    candidate: chosen,
    environments,
    confirmOlder: false,
  });
  const { promotion } = weighed.live;
  return {
    environment: asked.environment,
    build: asked.build,
    version: chosen.build.version ?? '',
    hosts: weighed.environment.hosts,
    objections: weighed.objections,
    approvalsNeeded: weighed.approvalsNeeded,
    live: promotion && {
      build: promotion.build,
      version: promotion.version ?? '',
      commit: promotion.commit_sha,
    },
    direction: promotion === null ? 'first' : (weighed.between?.direction ?? 'aside'),
    commits: (weighed.between?.commits ?? []).map(({ time, ...commit }) => ({
      ...commit,
      at: iso(time * 1000),
    })),
  };
}
