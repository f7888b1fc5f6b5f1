import { z } from 'zod';
import { page } from '../api.ts';
import { findLog } from '../builds/find.ts';
import { notFound } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import { sendBytes } from '../http/send-bytes.ts';
import { projectNamed } from '../projects/project.store.ts';
import { deploymentListSchema, deploymentSchema } from '../promotions/promotion.api.ts';
import type { Services } from '../services.ts';
import { viewDeployments } from './deployment.view.ts';

const inProject = z.object({ project: z.string() });
const ofDeployment = inProject.extend({ id: z.string().max(64) });

const DEPLOYMENTS = '/api/projects/:project/deployments';

/** What was done on the hosts of a project. */
export function deploymentRoutes(services: Services): Route[] {
  const { reader, logs } = services;
  return [
    route({
      method: 'get',
      path: DEPLOYMENTS,
      policy: 'viewer',
      summary: 'What was deployed: who, when, why, and how it went on each host.',
      params: inProject,
      query: z.object({ ...page, environment: z.string().optional() }),
      answer: deploymentListSchema,
      async handle({ params, query }) {
        const project = await projectNamed(reader, params.project);
        const found = await viewDeployments(reader, { projectId: project.id, ...query });
        const last = found.length === query.limit ? found.at(-1) : undefined;
        return { items: found.map(({ seq: _, ...item }) => item), next: last ? String(last.seq) : null };
      },
    }),
    route({
      method: 'get',
      path: `${DEPLOYMENTS}/:id`,
      policy: 'viewer',
      summary: 'A deployment, host by host.',
      params: ofDeployment,
      answer: deploymentSchema,
      async handle({ params }) {
        const project = await projectNamed(reader, params.project);
        const [found] = await viewDeployments(reader, { projectId: project.id, id: params.id });
        if (!found) throw notFound(`The deployment ${params.id} of ${project.name}`);
        const { seq: _, ...deployment } = found;
        return deployment;
      },
    }),
    route({
      method: 'get',
      path: `${DEPLOYMENTS}/:id/log`,
      policy: 'viewer',
      summary: "A deployment's log.",
      params: ofDeployment,
      async handle(call) {
        const project = await projectNamed(reader, call.params.project);
        const [found] = await viewDeployments(reader, { projectId: project.id, id: call.params.id });
        if (!found) throw notFound(`The deployment ${call.params.id} of ${project.name}`);
        const attempt = await findLog(reader, { project: project.name, number: found.build, job: found.job });
        return sendBytes(call, {
          size: attempt ? await logs.size(attempt.id) : 0,
          headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' },
          open: (range) => logs.read(attempt?.id ?? '', range),
        });
      },
    }),
  ];
}
