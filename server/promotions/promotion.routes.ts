import { z } from 'zod';
import { page } from '../api.ts';
import { type Route, route } from '../http/route.ts';
import { projectNamed } from '../projects/project.store.ts';
import type { Services } from '../services.ts';
import { cancelPromotion } from './cancel.ts';
import { approve, reject } from './decide.ts';
import { previewPromotion } from './preview.ts';
import { promote } from './promote.ts';
import { newPromotionSchema, previewSchema, promotionListSchema, promotionSchema } from './promotion.api.ts';
import { viewPromotion, viewPromotions } from './promotion.view.ts';

const inProject = z.object({ project: z.string() });
const ofPromotion = inProject.extend({ id: z.string().max(64) });
const text = z.string().trim().max(4096);

const PROMOTIONS = '/api/projects/:project/promotions';

/** Asking for an artifact to go to an environment, and deciding about it. */
export function promotionRoutes(services: Services): Route[] {
  return [...asking(services), ...deciding(services)];
}

function asking(services: Services): Route[] {
  const { db, reader } = services;
  return [
    route({
      method: 'post',
      path: PROMOTIONS,
      policy: 'deployer',
      summary: 'Promotes the artifact of a build to an environment. Rules that say no are answered together.',
      params: inProject,
      body: newPromotionSchema,
      status: 201,
      answer: promotionSchema,
      async handle({ params, body, caller, signal }) {
        const project = await projectNamed(db, params.project);
        return viewPromotion(db, project, await promote(services, project, { ...body, by: caller, signal }));
      },
    }),
    route({
      method: 'get',
      path: `${PROMOTIONS}/preview`,
      policy: 'viewer',
      summary: 'What promoting would change, and what speaks against it.',
      params: inProject,
      query: z.object({
        build: z.coerce.number().int().positive(),
        artifact: z.string().max(63).optional(),
        environment: z.string().max(63),
      }),
      answer: previewSchema,
      async handle({ params, query }) {
        return previewPromotion(services, await projectNamed(reader, params.project), query);
      },
    }),
    route({
      method: 'get',
      path: PROMOTIONS,
      policy: 'viewer',
      summary: "A project's promotions, newest first.",
      params: inProject,
      query: z.object({ ...page, environment: z.string().optional() }),
      answer: promotionListSchema,
      async handle({ params, query }) {
        const project = await projectNamed(reader, params.project);
        const rows = await reader
          .selectFrom('promotions')
          .select(['id', 'seq'])
          .where('project_id', '=', project.id)
          .$if(query.environment !== undefined, (q) => q.where('environment', '=', query.environment ?? ''))
          .$if(query.before !== undefined, (q) => q.where('seq', '<', query.before ?? 0))
          .orderBy('seq', 'desc')
          .limit(query.limit)
          .execute();
        const last = rows.length === query.limit ? rows.at(-1) : undefined;
        const items = await viewPromotions(
          reader,
          project,
          rows.map(({ id }) => id),
        );
        return { items, next: last ? String(last.seq) : null };
      },
    }),
    route({
      method: 'get',
      path: `${PROMOTIONS}/:id`,
      policy: 'viewer',
      summary: 'A promotion with its approvals and deployment.',
      params: ofPromotion,
      answer: promotionSchema,
      handle: async ({ params }) =>
        viewPromotion(reader, await projectNamed(reader, params.project), params.id),
    }),
  ];
}

function deciding(services: Services): Route[] {
  const { db } = services;
  const verbs = [
    {
      verb: 'approve',
      act: approve,
      summary: 'Says yes to what somebody else asked for.',
      body: z.strictObject({ comment: text.default('') }),
    },
    {
      verb: 'reject',
      act: reject,
      summary: 'Says no, for good.',
      body: z.strictObject({ reason: text.min(1, 'must say why') }),
    },
    {
      verb: 'cancel',
      act: cancelPromotion,
      summary: 'Takes it back, or asks a deployment under way to end between its phases.',
      body: z.strictObject({ reason: text.default('') }),
    },
  ] as const;
  return verbs.map(({ verb, act, summary, body }) =>
    route({
      method: 'post',
      path: `${PROMOTIONS}/:id/${verb}`,
      policy: 'deployer',
      summary,
      params: ofPromotion,
      body,
      answer: promotionSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(db, params.project);
        const said = 'comment' in body ? body.comment : body.reason;
        await act(services, project, { id: params.id, by: caller, text: said });
        return viewPromotion(db, project, params.id);
      },
    }),
  );
}
