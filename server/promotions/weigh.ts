import type { Environment } from '@reprise/pipelines/model.ts';
import type { Project } from '../db/schema.ts';
import type { Policy } from '../environments/policy.api.ts';
import { policyOf } from '../environments/policy.store.ts';
import { environmentNamed, type ReadEnvironments } from '../environments/read-environments.ts';
import type { Services } from '../services.ts';
import type { Candidate } from './artifact.ts';
import { isLiveOn, type LiveState, liveState } from './live-state.ts';
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
  services: Pick<Services, 'reader' | 'mirrors' | 'now'>,
  project: Project,
  o: { candidate: Candidate; environments: ReadEnvironments; environment: string; confirmOlder: boolean },
): Promise<Weighed> {
  const { reader, mirrors, now } = services;
  const { build, artifact, fork, reproducible } = o.candidate;
  const environment = environmentNamed(o.environments, o.environment);
  const policy = await policyOf(reader, { projectId: project.id, environment: environment.name });
  const live = await liveState(reader, { projectId: project.id, environment: environment.name });
  const between =
    live.promotion && (await mirrors.between(project, live.promotion.commit_sha, build.commit_sha));
  const required = await Promise.all(
    environment.requires.map(async (name) => {
      const { hosts } = environmentNamed(o.environments, name);
      const state = await liveState(reader, { projectId: project.id, environment: name });
      return { environment: name, isThere: isLiveOn(state, hosts, artifact.sha256) };
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
    objections: objections(facts),
    approvalsNeeded: approvalsNeeded(facts),
    live,
    between,
  };
}
