import { z } from 'zod';
import { type Route, route } from '../http/route.ts';
import { projectNamed } from '../projects/project.store.ts';
import type { Services } from '../services.ts';
import { measureSoon } from './measure.ts';
import { previewRetention } from './preview.ts';
import { removeBytes } from './removals.ts';
import {
  type RetentionRules,
  retentionPreviewSchema,
  retentionRulesSchema,
  retentionRunSchema,
  retentionSchema,
} from './retention.api.ts';
import { rulesOf } from './rules.ts';

const params = z.object({ project: z.string() });
const PATH = '/api/projects/:project/retention';

const limit = z.coerce.number().int().nonnegative().optional().describe('0: no limit.');
const tried = z.object({
  days: limit,
  builds: limit,
  bytes: limit,
  records: retentionRulesSchema.shape.records.optional(),
});

/** What is kept of a project's builds, what would go, and to have it go now. Rules are set with `PATCH /api/projects/:project`. */
export function retentionRoutes(services: Services): Route[] {
  const { db, reader, config, retention } = services;
  return [
    route({
      method: 'get',
      path: PATH,
      policy: 'admin',
      summary: "A project's rules of retention, and what its builds hold.",
      params,
      answer: retentionSchema,
      async handle({ params: { project } }) {
        await measureSoon(db);
        const held = await projectNamed(reader, project);
        return {
          rules: rulesOf(held, config),
          own: held.retention === null ? null : rulesOf(held, config),
          instance: config.retention,
          held: { builds: held.held_builds, bytes: held.held_bytes },
        };
      },
    }),
    route({
      method: 'get',
      path: `${PATH}/preview`,
      policy: 'admin',
      summary: 'What would go by the rules in force, or by those given, and what would stay and why.',
      params,
      query: tried,
      answer: retentionPreviewSchema,
      async handle({ params: { project }, query }) {
        const held = await projectNamed(reader, project);
        return previewRetention(services, held, rulesTried(rulesOf(held, config), query));
      },
    }),
    route({
      method: 'post',
      path: `${PATH}/run`,
      policy: 'admin',
      summary: 'Removes now what the rules in force say.',
      params,
      answer: retentionRunSchema,
      async handle({ params: { project }, caller }) {
        await measureSoon(db);
        const done = await retention.remove(await projectNamed(db, project), caller);
        await removeBytes(services);
        return done;
      },
    }),
  ];
}

/** The rules in force, with those in their places that were given. */
function rulesTried(inForce: RetentionRules, given: z.infer<typeof tried>): RetentionRules {
  const or = (tried: number | undefined, now: number | null) => (tried === undefined ? now : tried || null);
  return {
    days: or(given.days, inForce.days),
    builds: or(given.builds, inForce.builds),
    bytes: or(given.bytes, inForce.bytes),
    records: given.records ?? inForce.records,
  };
}
