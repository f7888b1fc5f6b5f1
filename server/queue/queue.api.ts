/** Shapes of the queue as people see it. Instants are ISO 8601 in UTC. */
import { STATUSES } from '@reprise/pipelines/status.ts';
import { z } from 'zod';
import { triggerSchema } from '../api.ts';

const instant = z.iso.datetime();

export const queueItemSchema = z
  .object({
    project: z.string(),
    build: z.number().int(),
    job: z.string(),
    environment: z
      .string()
      .nullable()
      .describe("Where it deploys to, rolls back or looks; null: a job of the build's pipeline."),
    status: z.enum(STATUSES),
    runsOn: z.array(z.string()),
    priority: z.number().int().describe('Jobs with more are taken first.'),
    branch: z.string().nullable(),
    message: z.string().describe("The first line of the commit's."),
    trigger: triggerSchema.describe("The build's."),
    queuedAt: instant,
    startedAt: instant.nullable(),
    step: z.string().nullable().describe('Which step runs at the moment.'),
    why: z.string().describe('Why it waits.'),
    runner: z.string().nullable(),
  })
  .meta({ id: 'QueueItem' });
export type QueueItem = z.infer<typeof queueItemSchema>;

export const queueListSchema = z.object({
  obstacle: z.string().nullable().describe("Why no build's job begins at the moment; null: they do."),
  items: z.array(queueItemSchema),
  next: z.string().nullable(),
});
