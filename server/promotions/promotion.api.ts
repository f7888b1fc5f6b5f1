/** Shapes of promotions, deployments and what is live. Instants are ISO 8601 in UTC. */
import { STATUSES } from '@reprise/pipelines/status.ts';
import { z } from 'zod';
import { listOf } from '../api.ts';

const instant = z.iso.datetime();
const why = z.string().describe('A sentence where something waits or ended unusually, else empty.');

/** Why something is to be changed: it goes to the hosts' logs too, and no shell can be given a NUL. */
export const reasonSchema = z
  .string()
  .trim()
  .min(1, 'must say why')
  .max(4096)
  .refine((value) => !value.includes('\0'), 'must not hold a NUL character');

export const deployedHostSchema = z
  .object({
    host: z.string(),
    phase: z.string().nullable().describe('What was last begun there; null: nothing yet.'),
    outcome: z.enum(['done', 'failed', 'unknown']).nullable().describe('null: it is under way.'),
    state: z
      .enum(['new', 'previous', 'other', 'none', 'unknown'])
      .nullable()
      .describe('Found at the end, by looking.'),
    release: z.string().nullable(),
    detail: z.string().nullable(),
  })
  .meta({ id: 'DeployedHost' });

export const deploymentSchema = z
  .object({
    id: z.string(),
    project: z.string(),
    environment: z.string(),
    kind: z.enum(['deploy', 'rollback', 'probe']),
    promotion: z.string(),
    release: z.string(),
    status: z.enum(STATUSES),
    outcome: z.enum(['done', 'unchanged', 'undone', 'mixed']).nullable(),
    why,
    build: z.number().int(),
    job: z.string().describe("The job whose log is the deployment's."),
    version: z.string(),
    commit: z.string(),
    by: z.string(),
    reason: z.string(),
    queuedAt: instant,
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
    hosts: z.array(deployedHostSchema),
  })
  .meta({ id: 'Deployment' });
export type DeploymentAnswer = z.infer<typeof deploymentSchema>;
export const deploymentListSchema = listOf(deploymentSchema);

export const promotionSchema = z
  .object({
    id: z.string(),
    project: z.string(),
    environment: z.string(),
    kind: z.enum(['promote', 'rollback', 'converge']),
    build: z.number().int(),
    artifact: z.object({ name: z.string(), fileName: z.string(), sha256: z.string() }),
    version: z.string(),
    commit: z.string(),
    configCommit: z.string().describe('The commit whose pipeline file said where it goes.'),
    by: z.string(),
    reason: z.string(),
    state: z.enum(['waiting', 'approved', 'rejected', 'void', 'done']),
    why,
    createdAt: instant,
    decidedAt: instant.nullable(),
    approvalsNeeded: z.number().int(),
    approvals: z.array(z.object({ by: z.string(), at: instant, comment: z.string() })),
    deployment: deploymentSchema.nullable(),
  })
  .meta({ id: 'Promotion' });
export type PromotionAnswer = z.infer<typeof promotionSchema>;
export const promotionListSchema = listOf(promotionSchema);

/** Before anything is asked: what it would change, and what speaks against it. */
export const previewSchema = z
  .object({
    environment: z.string(),
    build: z.number().int(),
    version: z.string(),
    hosts: z.array(z.string()),
    objections: z.array(z.object({ rule: z.string(), sentence: z.string() })),
    approvalsNeeded: z.number().int(),
    live: z.object({ build: z.number().int(), version: z.string(), commit: z.string() }).nullable(),
    direction: z
      .enum(['first', 'same', 'newer', 'older', 'aside'])
      .describe('Of its commit, as seen from what is live.'),
    commits: z
      .array(z.object({ sha: z.string(), subject: z.string(), author: z.string(), at: instant }))
      .describe('Those that go out (or, going back, those that are taken away), newest first; at most 200.'),
  })
  .meta({ id: 'PromotionPreview' });
export type Preview = z.infer<typeof previewSchema>;

export const newPromotionSchema = z.strictObject({
  build: z.number().int().positive(),
  artifact: z.string().max(63).optional().describe('Its name, where the build has several.'),
  environment: z.string().max(63),
  reason: reasonSchema,
  confirmOlder: z.boolean().default(false).describe('It is meant to be older than what is live.'),
});
export type NewPromotion = z.infer<typeof newPromotionSchema>;
