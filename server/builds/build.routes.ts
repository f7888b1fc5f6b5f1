import { pipelineJsonSchema } from '@reprise/pipelines/json-schema.ts';
import { STATUSES } from '@reprise/pipelines/status.ts';
import { z } from 'zod';
import { type Build, buildSchema, listOf, page } from '../api.ts';
import { visibleProjects } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { notFound } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import { projectNamed } from '../projects/project.store.ts';
import type { Services } from '../services.ts';
import { approveBuild } from './approve.ts';
import { listAllBuilds, listBuilds, shownBuild } from './build.store.ts';
import { viewBuild, viewBuilds, viewNamedBuilds } from './build.view.ts';
import { cancelBuild } from './cancel.ts';
import { createBuild } from './create.ts';
import { pinBuild, unpinBuild } from './pin.ts';
import { prioritizeBuild } from './prioritize.ts';
import { rebuild } from './rebuild.ts';
import { retryJob } from './retry.ts';

const inProject = z.object({ project: z.string() });
const ofBuild = inProject.extend({ number: z.coerce.number().int().positive() });
const ofJob = ofBuild.extend({ job: z.string() });

const reason = z.string().max(4096).default('');
const why = z.strictObject({ reason });
const refName = z.string().min(1).max(1024);
const asked = z.strictObject({
  ref: refName.describe('A branch, a tag, or a full or shortened object name.'),
  reason,
  pipeline: refName.optional().describe("The ref whose pipeline file is used instead of the commit's own."),
});

const filters = {
  branch: z.string().optional(),
  status: z.enum(STATUSES).optional().describe('Builds that their filters skipped are listed only so.'),
};
const listQuery = z.object({
  ...filters,
  ...page,
  commit: z
    .string()
    .toLowerCase()
    .regex(/^[0-9a-f]{4,40}$/, 'must be 4 to 40 hexadecimal digits')
    .optional(),
  trigger: z.enum(['push', 'tag', 'pull_request', 'schedule', 'manual', 'rebuild']).optional(),
});

const BUILDS = '/api/projects/:project/builds';

/** Asking for builds, looking at them, and what can happen to them. */
export function buildRoutes(services: Services): Route[] {
  return [...makingRoutes(services), ...readingRoutes(services), ...changingRoutes(services), schemaRoute()];
}

function makingRoutes(services: Services): Route[] {
  const { reader } = services;
  return [
    route({
      method: 'post',
      path: BUILDS,
      policy: 'developer',
      summary: 'Builds a branch, a tag or any commit, as it is now.',
      params: inProject,
      body: asked,
      status: 201,
      answer: buildSchema,
      async handle({ params, body, caller, signal }) {
        const project = await projectNamed(reader, params.project);
        const { ref, reason, pipeline = null } = body;
        const wanted = { ref, reason, pipeline, by: caller };
        return oneBuild(services, project, await createBuild(services, project, wanted, signal));
      },
    }),
    route({
      method: 'post',
      path: `${BUILDS}/:number/rebuild`,
      policy: 'developer',
      summary: 'Builds the same commit again, with the recorded plan and version.',
      params: ofBuild,
      body: why,
      status: 201,
      answer: buildSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(reader, params.project);
        const wanted = { number: params.number, reason: body.reason, by: caller };
        return oneBuild(services, project, await rebuild(services, project, wanted));
      },
    }),
  ];
}

function readingRoutes(services: Services): Route[] {
  const { reader } = services;
  return [
    route({
      method: 'get',
      path: '/api/builds',
      policy: 'signed-in',
      summary: 'Builds of every project one may see: ?status=blocked are those that wait for a yes.',
      query: z.object({ status: filters.status, ...page }),
      answer: listOf(buildSchema),
      async handle({ query, caller }) {
        const found = await listAllBuilds(reader, { ...query, visible: visibleProjects(caller) });
        const last = found.length === query.limit ? found.at(-1) : undefined;
        return { items: await viewNamedBuilds(services, found), next: last ? String(last.seq) : null };
      },
    }),
    route({
      method: 'get',
      path: BUILDS,
      policy: 'viewer',
      summary: "A project's builds.",
      params: inProject,
      query: listQuery,
      answer: listOf(buildSchema),
      async handle({ params, query }) {
        const project = await projectNamed(reader, params.project);
        const found = await listBuilds(reader, project.id, query);
        const last = found.length === query.limit ? found.at(-1) : undefined;
        const items = await viewBuilds(services, project.name, found);
        return { items, next: last ? String(last.number) : null };
      },
    }),
    route({
      method: 'get',
      path: `${BUILDS}/latest`,
      policy: 'viewer',
      summary: 'The newest build, of a branch or with a status where asked.',
      params: inProject,
      query: z.object(filters),
      answer: buildSchema,
      async handle({ params, query }) {
        const project = await projectNamed(reader, params.project);
        const [latest] = await listBuilds(reader, project.id, { ...query, limit: 1 });
        if (!latest) throw notFound(`Such a build of ${project.name}`);
        return viewBuild(services, project.name, latest);
      },
    }),
    route({
      method: 'get',
      path: `${BUILDS}/:number`,
      policy: 'viewer',
      summary: 'A build with its jobs, attempts, steps and artifacts.',
      params: ofBuild,
      answer: buildSchema,
      async handle({ params }) {
        return oneBuild(services, await projectNamed(reader, params.project), params.number);
      },
    }),
  ];
}

function changingRoutes(services: Services): Route[] {
  const { reader } = services;
  return [
    route({
      method: 'post',
      path: `${BUILDS}/:number/cancel`,
      policy: 'developer',
      summary: "Asks for a build's end.",
      params: ofBuild,
      body: why,
      status: 202,
      answer: buildSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(reader, params.project);
        await cancelBuild(services, project, { number: params.number, ...body, by: caller });
        return oneBuild(services, project, params.number);
      },
    }),
    route({
      method: 'post',
      path: `${BUILDS}/:number/prioritize`,
      policy: 'developer',
      summary: 'Lets what waits of a build go before everything else that waits for the same runners.',
      params: ofBuild,
      body: why,
      answer: buildSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(reader, params.project);
        await prioritizeBuild(services, project, { number: params.number, ...body, by: caller });
        return oneBuild(services, project, params.number);
      },
    }),
    route({
      method: 'post',
      path: `${BUILDS}/:number/approve`,
      policy: 'developer',
      summary: "Lets a fork's pull request run.",
      params: ofBuild,
      body: why,
      answer: buildSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(reader, params.project);
        await approveBuild(services, project, { number: params.number, ...body, by: caller });
        return oneBuild(services, project, params.number);
      },
    }),
    route({
      method: 'put',
      path: `${BUILDS}/:number/pin`,
      policy: 'developer',
      summary: 'Keeps a build with its logs and artifacts whatever the rules of retention say.',
      params: ofBuild,
      body: z.strictObject({ reason: z.string().trim().min(1).max(4096) }),
      answer: buildSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(reader, params.project);
        await pinBuild(services, project, { number: params.number, ...body, by: caller });
        return oneBuild(services, project, params.number);
      },
    }),
    route({
      method: 'delete',
      path: `${BUILDS}/:number/pin`,
      policy: 'developer',
      summary: 'Leaves a build to the rules of retention again.',
      params: ofBuild,
      answer: buildSchema,
      async handle({ params, caller }) {
        const project = await projectNamed(reader, params.project);
        await unpinBuild(services, project, { number: params.number, reason: '', by: caller });
        return oneBuild(services, project, params.number);
      },
    }),
    route({
      method: 'post',
      path: `${BUILDS}/:number/jobs/:job/retry`,
      policy: 'developer',
      summary: 'Queues an ended job that did not pass for another attempt.',
      params: ofJob,
      body: why,
      status: 202,
      answer: buildSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(reader, params.project);
        await retryJob(services, project, { ...params, ...body, by: caller });
        return oneBuild(services, project, params.number);
      },
    }),
  ];
}

function schemaRoute(): Route {
  const schema = pipelineJsonSchema();
  return route({
    method: 'get',
    path: '/api/pipeline.schema.json',
    policy: 'public',
    summary: 'The JSON Schema of the pipeline file, for editors.',
    answer: z.looseObject({}),
    handle: () => schema,
  });
}

async function oneBuild(services: Services, project: Project, number: number): Promise<Build> {
  const build = await shownBuild(services.reader, project.id, number);
  if (!build) throw notFound(`Build ${project.name} #${number}`);
  return viewBuild(services, project.name, build);
}
