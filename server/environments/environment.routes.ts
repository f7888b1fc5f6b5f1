import { z } from 'zod';
import { iso, listOf } from '../api.ts';
import { recordAudit } from '../audit/record.ts';
import type { Deployment, Project } from '../db/schema.ts';
import { viewDeployments } from '../deployments/deployment.view.ts';
import { startDeployment } from '../deployments/start.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import { projectNamed } from '../projects/project.store.ts';
import { announcePromotion } from '../promotions/announce.ts';
import { converge, rollBack } from '../promotions/go-back.ts';
import { deploymentSchema, promotionSchema, reasonSchema } from '../promotions/promotion.api.ts';
import { viewPromotion } from '../promotions/promotion.view.ts';
import type { Services } from '../services.ts';
import { liveAt, liveAtSchema } from './at.ts';
import {
  environmentListSchema,
  environmentSchema,
  type PinnedHostAnswer,
  pinnedHostSchema,
} from './environment.api.ts';
import { viewEnvironment } from './environment.view.ts';
import { addressOf, forgetHost, pinHost, pinnedHosts } from './host-key.store.ts';
import { policySchema } from './policy.api.ts';
import { policyOf, setPolicy } from './policy.store.ts';
import { environmentNamed, readEnvironments } from './read-environments.ts';
import { fingerprint, scanHost } from './scan.ts';

const inProject = z.object({ project: z.string() });
const ofEnvironment = inProject.extend({ environment: z.string() });
const ofHost = inProject.extend({ host: z.string().max(300) });

const ENVIRONMENTS = '/api/projects/:project/environments';
const ONE = `${ENVIRONMENTS}/:environment`;
const HOSTS = '/api/projects/:project/hosts';

/** Where artifacts go: what is live on which host, going back, looking, and what must hold before anything is sent. */
export function environmentRoutes(services: Services): Route[] {
  return [...reading(services), ...acting(services), ...policies(services), ...hostKeys(services)];
}

function reading(services: Services): Route[] {
  const { reader } = services;
  return [
    route({
      method: 'get',
      path: ENVIRONMENTS,
      policy: 'viewer',
      summary: 'Environments with what is live on each host.',
      params: inProject,
      answer: environmentListSchema,
      async handle({ params }) {
        const project = await projectNamed(reader, params.project);
        const { commit, environments } = await readEnvironments(services, project, { fresh: false });
        const items = await Promise.all(
          environments.map((environment) => viewEnvironment(services, project, environment)),
        );
        return { items, next: null, commit };
      },
    }),
    route({
      method: 'get',
      path: ONE,
      policy: 'viewer',
      summary: 'An environment with what is live on each host.',
      params: ofEnvironment,
      answer: environmentSchema,
      async handle({ params }) {
        const project = await projectNamed(reader, params.project);
        const read = await readEnvironments(services, project, { fresh: false });
        return viewEnvironment(services, project, environmentNamed(read, params.environment));
      },
    }),
    route({
      method: 'get',
      path: `${ONE}/at`,
      policy: 'viewer',
      summary: 'What was live at a moment.',
      params: ofEnvironment,
      query: z.object({ time: z.iso.datetime({ offset: true }) }),
      answer: liveAtSchema,
      async handle({ params, query }) {
        const project = await projectNamed(reader, params.project);
        return liveAt(reader, project, { ...params, at: Date.parse(query.time) });
      },
    }),
  ];
}

function acting(services: Services): Route[] {
  const { db, reader } = services;
  return [
    route({
      method: 'post',
      path: `${ONE}/rollback`,
      policy: 'deployer',
      summary: 'Brings back what was live and healthy before, with the configuration recorded with it.',
      params: ofEnvironment,
      body: z.strictObject({
        reason: reasonSchema,
        to: z.string().max(64).optional().describe('The promotion to go back to.'),
      }),
      status: 201,
      answer: promotionSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(db, params.project);
        const id = await rollBack(services, project, { ...params, ...body, by: caller });
        return viewPromotion(db, project, id);
      },
    }),
    route({
      method: 'post',
      path: `${ONE}/converge`,
      policy: 'deployer',
      summary: 'Brings new, rebuilt or drifted hosts to what is live.',
      params: ofEnvironment,
      body: z.strictObject({ reason: reasonSchema }),
      status: 201,
      answer: promotionSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(db, params.project);
        const id = await converge(services, project, { ...params, ...body, by: caller });
        return viewPromotion(db, project, id);
      },
    }),
    route({
      method: 'post',
      path: `${ONE}/probe`,
      policy: 'developer',
      summary: 'Looks at the hosts, changing nothing.',
      params: ofEnvironment,
      status: 201,
      answer: deploymentSchema,
      async handle({ params, caller }) {
        const project = await projectNamed(db, params.project);
        const id = await probe(services, project, { environment: params.environment, by: caller });
        const [deployment] = await viewDeployments(reader, { projectId: project.id, id });
        return deployment;
      },
    }),
  ];
}

/** Looks at the hosts of what was last promoted there. Refused while something is under way, which looks by itself. */
async function probe(
  services: Services,
  project: Project,
  { environment, by }: { environment: string; by: { name: string; via: string } },
): Promise<Deployment['id']> {
  const { db, now, queue } = services;
  const id = await db.transaction().execute(async (trx) => {
    const active = await trx
      .selectFrom('deployments')
      .select('id')
      .where('project_id', '=', project.id)
      .where('environment', '=', environment)
      .where('status', 'in', ['queued', 'running'])
      .executeTakeFirst();
    if (active)
      throw new Refusal(
        409,
        'conflict',
        `A deployment to ${environment} is under way: it looks at the hosts itself.`,
      );
    const promotion = await trx
      .selectFrom('promotions')
      .selectAll()
      .where('project_id', '=', project.id)
      .where('environment', '=', environment)
      .where('state', '=', 'done')
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (!promotion)
      throw new Refusal(
        409,
        'conflict',
        `Nothing was promoted to ${environment} yet: there is nothing to look for.`,
      );
    const entry = { at: now(), by, action: 'deployment.start', project: project.name } as const;
    await recordAudit(trx, { ...entry, subject: `${project.name} ${environment}, probe` });
    return startDeployment(trx, { promotion, kind: 'probe', at: now() });
  });
  queue.wake();
  announcePromotion(services, project);
  return id;
}

function policies(services: Services): Route[] {
  const { db, reader, now } = services;
  const path = '/api/projects/:project/policy/:environment';
  return [
    route({
      method: 'get',
      path,
      policy: 'viewer',
      summary: 'What an administrator demands of an environment.',
      params: ofEnvironment,
      answer: policySchema,
      async handle({ params }) {
        const project = await projectNamed(reader, params.project);
        return policyOf(reader, { projectId: project.id, environment: params.environment });
      },
    }),
    route({
      method: 'put',
      path,
      policy: 'admin',
      summary: 'Sets what the pipeline file may only tighten.',
      params: ofEnvironment,
      body: policySchema,
      answer: policySchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(db, params.project);
        const place = { projectId: project.id, environment: params.environment };
        await db.transaction().execute(async (trx) => {
          await setPolicy(trx, { ...place, policy: body, by: caller.name, at: now() });
          const entry = {
            at: now(),
            by: caller,
            action: 'policy.set',
            project: project.name,
            detail: body,
          } as const;
          await recordAudit(trx, { ...entry, subject: `${project.name} ${params.environment}` });
        });
        announcePromotion(services, project);
        return body;
      },
    }),
  ];
}

function hostKeys(services: Services): Route[] {
  const { db, reader, now } = services;
  return [
    route({
      method: 'get',
      path: HOSTS,
      policy: 'viewer',
      summary: 'Hosts whose keys are confirmed.',
      params: inProject,
      answer: listOf(pinnedHostSchema),
      async handle({ params }) {
        const project = await projectNamed(reader, params.project);
        const items = (await pinnedHosts(reader, project.id)).map(({ host, keys, pinnedBy, pinnedAt }) =>
          viewPinned(host, keys, { pinnedBy, pinnedAt: iso(pinnedAt) }),
        );
        return { items, next: null };
      },
    }),
    route({
      method: 'post',
      path: `${HOSTS}/:host/scan`,
      policy: 'admin',
      summary:
        'Asks a host which keys it has: compare their fingerprints with what its operator says before you pin them.',
      params: ofHost,
      answer: pinnedHostSchema,
      async handle({ params }) {
        await projectNamed(reader, params.project);
        return viewPinned(addressOf(params.host), await scanHost(params.host), {
          pinnedBy: null,
          pinnedAt: null,
        });
      },
    }),
    route({
      method: 'put',
      path: `${HOSTS}/:host`,
      policy: 'admin',
      summary: 'Pins the keys that a host must show from now on.',
      params: ofHost,
      body: z.strictObject({
        keys: z
          .array(
            z
              .string()
              .max(8192)
              .regex(
                /^(?:ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}$/,
                'must be type and key, as in known_hosts',
              ),
          )
          .min(1)
          .max(16),
      }),
      answer: pinnedHostSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(db, params.project);
        const at = now();
        await db.transaction().execute(async (trx) => {
          await pinHost(trx, {
            projectId: project.id,
            host: params.host,
            keys: body.keys,
            by: caller.name,
            at,
          });
          const detail = { fingerprints: body.keys.map(fingerprint) };
          const entry = { at, by: caller, action: 'host.pin', project: project.name, detail } as const;
          await recordAudit(trx, { ...entry, subject: addressOf(params.host) });
        });
        announcePromotion(services, project);
        return viewPinned(addressOf(params.host), body.keys, { pinnedBy: caller.name, pinnedAt: iso(at) });
      },
    }),
    route({
      method: 'delete',
      path: `${HOSTS}/:host`,
      policy: 'admin',
      summary: 'Forgets the keys of a host: nothing is sent to it until others are confirmed.',
      params: ofHost,
      async handle({ params, caller }) {
        const project = await projectNamed(db, params.project);
        await db.transaction().execute(async (trx) => {
          if (!(await forgetHost(trx, project.id, params.host)))
            throw notFound(`Confirmed keys of ${params.host}`);
          const entry = { at: now(), by: caller, action: 'host.forget', project: project.name } as const;
          await recordAudit(trx, { ...entry, subject: addressOf(params.host) });
        });
        announcePromotion(services, project);
      },
    }),
  ];
}

function viewPinned(
  host: string,
  keys: readonly string[],
  o: { pinnedBy: string | null; pinnedAt: string | null },
): PinnedHostAnswer {
  const shown = keys.map((key) => ({ type: key.split(' ')[0] ?? '', fingerprint: fingerprint(key), key }));
  return { host, keys: shown, ...o };
}
