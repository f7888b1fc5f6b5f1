import { z } from 'zod';
import { notFound } from '../http/refusal.ts';
import { type Route, route, STREAMED } from '../http/route.ts';
import { INERT_HEADERS } from '../http/send-bytes.ts';
import type { Services } from '../services.ts';
import { publicProject, verdictOn } from './badge.store.ts';
import { drawBadge } from './draw.ts';

/** Any page may show it, and whoever shows it often asks once a minute. */
const HEADERS = {
  ...INERT_HEADERS,
  'Content-Type': 'image/svg+xml; charset=utf-8',
  'Cache-Control': 'public, max-age=60',
  'Cross-Origin-Resource-Policy': 'cross-origin',
};

/** Pictures of how projects stand, for READMEs. */
export function badgeRoutes({ reader, mirrors }: Services): Route[] {
  return [
    route({
      method: 'get',
      path: '/badges/:project.svg',
      policy: 'public',
      summary: 'How the newest build of a branch ended, as a picture; only of projects that are public.',
      params: z.object({ project: z.string() }),
      query: z.object({
        branch: z.string().max(255).optional().describe('The default branch unless given.'),
      }),
      async handle({ params, query, response }) {
        const project = await publicProject(reader, params.project);
        if (!project) throw notFound(`A badge of ${JSON.stringify(params.project)}`);
        const branch =
          query.branch ?? project.default_branch ?? (await mirrors.defaultBranch(project)) ?? 'main';
        const verdict = await verdictOn(reader, project.id, branch);
        response.set(HEADERS).send(drawBadge(`${project.name} ${branch}`, verdict));
        return STREAMED;
      },
    }),
  ];
}
