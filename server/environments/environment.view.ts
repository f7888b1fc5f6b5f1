import type { Environment } from '@reprise/pipelines/model.ts';
import type { HostProbe } from '@reprise/runner/protocol.ts';
import { iso } from '../api.ts';
import type { HostState, Project } from '../db/schema.ts';
import { secretsOf } from '../deployments/ready.ts';
import { type LivePromotion, liveState, promotionsOf } from '../promotions/live-state.ts';
import { viewPromotions } from '../promotions/promotion.view.ts';
import { listSecrets } from '../secrets/secret.store.ts';
import type { Services } from '../services.ts';
import type { EnvironmentAnswer, LiveHost } from './environment.api.ts';
import { pinnedKeys } from './host-key.store.ts';
import { policyOf } from './policy.store.ts';

/** An environment as the file defines it, with what is live on each of its hosts and what is on its way there. */
export async function viewEnvironment(
  { reader }: Pick<Services, 'reader'>,
  project: Project,
  environment: Environment,
): Promise<EnvironmentAnswer> {
  const place = { projectId: project.id, environment: environment.name };
  const { hosts: states, promotion } = await liveState(reader, { projectId: project.id, environment });
  const ids = states.flatMap(({ promotion_id }) => (promotion_id === null ? [] : [promotion_id]));
  const promotions = new Map((await promotionsOf(reader, ids)).map((row) => [row.id, row]));
  const open = await reader
    .selectFrom('promotions')
    .select('id')
    .where('project_id', '=', project.id)
    .where('environment', '=', environment.name)
    .where('state', 'in', ['waiting', 'approved'])
    .orderBy('seq')
    .limit(50)
    .execute();
  const machines = [...environment.hosts, ...(environment.jump ? [environment.jump] : [])];
  const known = await pinnedKeys(reader, project.id, machines);
  const held = await listSecrets(reader, project.id);
  const [live = null] = promotion ? await viewPromotions(reader, project, [promotion.id]) : [];
  return {
    name: environment.name,
    url: environment.url,
    path: environment.path,
    hosts: environment.hosts.map((host) => {
      const state = states.find((found) => found.host === host);
      return viewHost(host, state, promotions.get(state?.promotion_id ?? ''));
    }),
    requires: environment.requires,
    approvals: environment.approvals,
    policy: await policyOf(reader, place),
    secrets: secretsOf(environment).map((name) => ({
      name,
      isSet: held.some((secret) => secret.name === name && secret.environment === environment.name),
    })),
    unpinned: Object.entries(known).flatMap(([host, keys]) => (keys.length === 0 ? [host] : [])),
    live,
    open: await viewPromotions(
      reader,
      project,
      open.map(({ id }) => id),
    ),
  };
}

function viewHost(
  host: string,
  state: HostState | undefined,
  promotion: LivePromotion | undefined,
): LiveHost {
  const probe: HostProbe | null = state?.probe ? JSON.parse(state.probe) : null;
  return {
    host,
    release: state?.release ?? null,
    build: promotion?.build ?? null,
    version: promotion?.version ?? null,
    commit: promotion?.commit_sha ?? null,
    since: iso(state?.since ?? null),
    by: promotion?.asked_by ?? null,
    reason: promotion?.reason ?? null,
    isKnown: state === undefined || state.is_known === 1,
    healthy: state?.healthy === undefined || state.healthy === null ? null : state.healthy === 1,
    state: probe?.state ?? null,
    detail: probe?.detail ?? null,
    differences: probe?.differences ?? [],
    load: probe?.load ?? null,
    processors: probe?.processors ?? null,
    disk: probe?.disk ?? null,
    lookedAt: iso(state?.probed_at ?? null),
  };
}
