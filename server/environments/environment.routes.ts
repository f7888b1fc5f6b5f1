import { z } from 'zod';
import { viewDeployments } from '../deployments/deployment.view.ts';
import { probe } from '../deployments/probe.ts';
import { type Route, route } from '../http/route.ts';
import { projectNamed } from '../projects/project.store.ts';
import { converge, rollBack } from '../promotions/go-back.ts';
import { deploymentSchema, promotionSchema, reasonSchema } from '../promotions/promotion.api.ts';
import { viewPromotion } from '../promotions/promotion.view.ts';
import type { Services } from '../services.ts';
import { liveAt, liveAtSchema } from './at.ts';
import { environmentListSchema, environmentSchema } from './environment.api.ts';
import { viewEnvironment } from './environment.view.ts';
import { environmentNamed, readEnvironments } from './read-environments.ts';

const inProject = z.object({ project: z.string() });
const ofEnvironment = inProject.extend({ environment: z.string() });

const ENVIRONMENTS = '/api/projects/:project/environments';
const ONE = `${ENVIRONMENTS}/:environment`;

/** Where artifacts go: what is live on which host, going back, and looking. */
export function environmentRoutes(services: Services): Route[] {
  return [...reading(services), ...acting(services)];
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
