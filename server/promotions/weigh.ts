import type { Environment } from '@reprise/pipelines/model.ts';
import type { Project, Promotion } from '../db/schema.ts';
import { whatIsMissing } from '../deployments/ready.ts';
import type { Policy } from '../environments/policy.api.ts';
import { policyOf } from '../environments/policy.store.ts';
import { environmentNamed, type ReadEnvironments } from '../environments/read-environments.ts';
import type { Services } from '../services.ts';
import { type Candidate, candidate } from './artifact.ts';
import { isLiveOn, type LiveState, liveState, promotionsOf } from './live-state.ts';
import { approvalsNeeded, type Objection, objections } from './rules.ts';

/** A promotion as it would be: where to, what speaks against it, and what it would replace. */
export interface Weighed {
  environment: Environment;
  policy: Policy;
  objections: Objection[];
  approvalsNeeded: number;
  live: LiveState;
  /** Between what is live and this; null: nothing is live, or its commit is not known here. */
  between: Awaited<ReturnType<Services['mirrors']['between']>>;
}

/** Gathers what the rules look at, and asks them. Changes nothing. */
export async function weigh(
  services: Pick<Services, 'reader' | 'mirrors' | 'now' | 'config'>,
  project: Project,
  o: { candidate: Candidate; environments: ReadEnvironments; environment: string; confirmOlder: boolean },
): Promise<Weighed> {
  const { reader, mirrors, now } = services;
  const { build, artifact, fork, reproducible } = o.candidate;
  const environment = environmentNamed(o.environments, o.environment);
  const policy = await policyOf(reader, { projectId: project.id, environment: environment.name });
  const live = await liveState(reader, { projectId: project.id, environment });
  const between =
    live.promotion && (await mirrors.between(project, live.promotion.commit_sha, build.commit_sha));
  const required = await Promise.all(
    environment.requires.map(async (name) => {
      const other = environmentNamed(o.environments, name);
      const state = await liveState(reader, { projectId: project.id, environment: other });
      return { environment: name, isThere: isLiveOn(state, other.hosts, artifact.sha256) };
    }),
  );
  const facts = {
    environment,
    policy,
    build: { number: build.number, status: build.status, branch: build.branch, tag: build.tag, fork },
    reproducible,
    required,
    newerLive: between?.direction === 'older' ? (live.promotion?.build ?? null) : null,
    confirmOlder: o.confirmOlder,
    now: now(),
  };
  return {
    environment,
    policy,
    objections: [...objections(facts), ...(await whatIsMissing(services, project.id, environment))],
    approvalsNeeded: approvalsNeeded(facts),
    live,
    between,
  };
}

/**
 * The rules that say no by now to what was asked for earlier: asked again before it is approved and before it is carried out. What has gone live meanwhile may
 * be newer, which counts unless it was asked for as something older.
 */
export async function objectionsNow(
  services: Pick<Services, 'reader' | 'mirrors' | 'now' | 'config' | 'blobs'>,
  project: Project,
  promotion: Promotion,
  environments: ReadEnvironments,
): Promise<Objection[]> {
  const [facts] = await promotionsOf(services.reader, [promotion.id]);
  if (!facts) return [];
  const asked = { build: facts.build, artifact: facts.artifact };
  const { objections: found } = await weigh(services, project, {
    candidate: await candidate(services, project, asked),
    environments,
    environment: promotion.environment,
    confirmOlder: promotion.confirm_older === 1,
  });
  return found;
}
