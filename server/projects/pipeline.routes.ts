import { z } from 'zod';
import type { Project } from '../db/schema.ts';
import { type Route, route } from '../http/route.ts';
import type { Services } from '../services.ts';
import { type ProjectPipeline, pipelineSchema } from './project.api.ts';
import { projectNamed } from './project.store.ts';
import { readPipeline } from './read-pipeline.ts';

/** What the pipeline file says that a project's page shows. */
export function pipelineRoutes(services: Services): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/projects/:project/pipeline',
      policy: 'viewer',
      summary:
        'What the pipeline file says at a ref, as of the last fetch: the application, environments and jobs.',
      params: z.object({ project: z.string() }),
      query: z.object({
        ref: z.string().max(1024).optional().describe('The default branch unless given.'),
      }),
      answer: pipelineSchema,
      async handle({ params, query }) {
        return pipelineAt(services, await projectNamed(services.reader, params.project), query.ref);
      },
    }),
  ];
}

/** Fetches nothing: a page must not wait for an upstream to say what an application is. */
async function pipelineAt(
  services: Services,
  project: Project,
  asked: string | undefined,
): Promise<ProjectPipeline> {
  const { pipeline, ...read } = await readPipeline(services, project, asked);
  if (pipeline === null) return { ...read, app: null, environments: [], jobs: [] };
  return {
    ...read,
    app: pipeline.app,
    environments: pipeline.environments.map(({ name, url, path, hosts, requires, approvals }) => {
      return { name, url, path, hosts, requires, approvals };
    }),
    jobs: pipeline.jobs.map(({ name, needs, runsOn }) => ({ name, needs, runsOn })),
  };
}
