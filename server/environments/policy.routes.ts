import { z } from 'zod';
import { recordAudit } from '../audit/record.ts';
import { type Route, route } from '../http/route.ts';
import { projectNamed } from '../projects/project.store.ts';
import { announcePromotion } from '../promotions/announce.ts';
import type { Services } from '../services.ts';
import { policySchema } from './policy.api.ts';
import { policyOf, setPolicy } from './policy.store.ts';

const ofEnvironment = z.object({ project: z.string(), environment: z.string() });

/** What an administrator demands of an environment, whatever its pipeline file says. */
export function policyRoutes(services: Services): Route[] {
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
