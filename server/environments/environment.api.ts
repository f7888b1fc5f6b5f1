/** Shapes of environments and of what is on their hosts. Instants are ISO 8601 in UTC. */
import { z } from 'zod';
import { listOf } from '../api.ts';
import { promotionSchema } from '../promotions/promotion.api.ts';
import { policySchema } from './policy.api.ts';

const instant = z.iso.datetime();

export const liveHostSchema = z
  .object({
    host: z.string(),
    release: z.string().nullable().describe('null: nothing is live there.'),
    build: z.number().int().nullable().describe('null: not put there by Reprise.'),
    version: z.string().nullable(),
    commit: z.string().nullable(),
    since: instant.nullable(),
    by: z.string().nullable(),
    reason: z.string().nullable(),
    isKnown: z
      .boolean()
      .describe('False: only looking tells, as a deployment was lost or the host did not answer.'),
    healthy: z.boolean().nullable(),
    state: z
      .enum(['match', 'drift', 'partial', 'foreign', 'none', 'unreachable'])
      .nullable()
      .describe('Whether it is what was deployed, when it was last looked at.'),
    detail: z.string().nullable(),
    differences: z.array(z.object({ path: z.string(), change: z.string() })),
    load: z.array(z.number()).nullable(),
    processors: z.number().nullable(),
    disk: z.object({ total: z.number(), free: z.number() }).nullable(),
    lookedAt: instant.nullable(),
  })
  .meta({ id: 'LiveHost' });
export type LiveHost = z.infer<typeof liveHostSchema>;

export const environmentSchema = z
  .object({
    name: z.string(),
    url: z.string().nullable(),
    path: z.string(),
    hosts: z.array(liveHostSchema),
    requires: z.array(z.string()),
    approvals: z.number().int(),
    policy: policySchema,
    secrets: z.array(z.object({ name: z.string(), isSet: z.boolean() })).describe('Those it needs.'),
    unpinned: z.array(z.string()).describe('Hosts whose keys nobody has confirmed yet.'),
    live: promotionSchema
      .nullable()
      .describe('What is live on every host alike; null: nothing, or not the same.'),
    open: z.array(promotionSchema).describe('Promotions that wait or are being carried out.'),
  })
  .meta({ id: 'Environment' });
export type EnvironmentAnswer = z.infer<typeof environmentSchema>;

export const environmentListSchema = listOf(environmentSchema).extend({
  commit: z
    .string()
    .describe('Whose pipeline file says so: the head of the default branch, as last fetched.'),
});

export const pinnedHostSchema = z
  .object({
    host: z.string(),
    keys: z.array(z.object({ type: z.string(), fingerprint: z.string(), key: z.string() })),
    pinnedBy: z.string().nullable().describe('null: found by asking the host, confirmed by nobody.'),
    pinnedAt: instant.nullable(),
  })
  .meta({ id: 'PinnedHost' });
export type PinnedHostAnswer = z.infer<typeof pinnedHostSchema>;
