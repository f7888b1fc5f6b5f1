import { z } from 'zod';
import { visibleProjects } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { type Route, route } from '../http/route.ts';
import type { Services } from '../services.ts';
import { changeProject, rotateWebhookSecret } from './change.ts';
import { createProject } from './create.ts';
import { historyRoutes } from './history.routes.ts';
import { pipelineRoutes } from './pipeline.routes.ts';
import { newProjectSchema, projectChangeSchema, projectListSchema, projectSchema } from './project.api.ts';
import { listProjects, projectNamed } from './project.store.ts';
import { viewProject, viewProjects } from './project.view.ts';
import { removeProject } from './remove.ts';

const params = z.object({ project: z.string() });
const path = '/api/projects/:project';

/** Projects: make, list, show, change, remove; and what of a project's history can be built. */
export function projectRoutes(services: Services): Route[] {
  const { db, reader } = services;
  const named = (name: string): Promise<Project> => projectNamed(db, name);
  return [
    route({
      method: 'post',
      path: '/api/projects',
      policy: 'admin',
      summary: 'Registers a repository. The webhook secret in the answer is shown this once.',
      body: newProjectSchema,
      status: 201,
      answer: projectSchema,
      async handle({ body, caller }) {
        const { project, secret } = await createProject(services, body, caller);
        return viewProject(services, project, { caller, secret });
      },
    }),
    route({
      method: 'get',
      path: '/api/projects',
      policy: 'signed-in',
      summary: 'The projects one may see, each with its latest builds.',
      query: z.object({
        before: z.string().optional().describe('The `next` of the page before.'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      answer: projectListSchema,
      async handle({ query: { before, limit }, caller }) {
        const found = await listProjects(reader, { before, limit, visible: visibleProjects(caller) });
        const items = await viewProjects(services, found.slice(0, limit), caller);
        return { items, next: found.length > limit ? (items.at(-1)?.name ?? null) : null };
      },
    }),
    route({
      method: 'get',
      path,
      policy: 'viewer',
      summary: 'A project with its latest build.',
      params,
      answer: projectSchema,
      handle: async ({ params: { project }, caller }) =>
        viewProject(services, await named(project), { caller }),
    }),
    route({
      method: 'patch',
      path,
      policy: 'admin',
      summary: 'Changes what is given. {"credential": {"kind": "deploy-key"}} makes a new key.',
      params,
      body: projectChangeSchema,
      answer: projectSchema,
      async handle({ params: { project }, body, caller }) {
        const changed = await changeProject(services, await named(project), body, caller);
        return viewProject(services, changed, { caller });
      },
    }),
    route({
      method: 'delete',
      path,
      policy: 'admin',
      summary: 'Removes a project with its builds and logs; refused while one of its builds runs.',
      params,
      async handle({ params: { project }, caller }) {
        await removeProject(services, await named(project), caller);
      },
    }),
    route({
      method: 'post',
      path: `${path}/webhook/rotate`,
      policy: 'admin',
      summary: 'Gives the webhook a new secret, shown this once; the old one is refused from now on.',
      params,
      answer: projectSchema,
      async handle({ params: { project }, caller }) {
        const held = await named(project);
        const secret = await rotateWebhookSecret(services, held, caller);
        return viewProject(services, held, { caller, secret });
      },
    }),
    ...historyRoutes(services),
    ...pipelineRoutes(services),
  ];
}
