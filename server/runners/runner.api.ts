/** Shapes of runners as people see them. Instants are ISO 8601 in UTC. */
import { z } from 'zod';

export const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be lower-case letters, digits, dots, dashes or underscores');

export const newRunner = z.strictObject({
  name,
  labels: z.array(name).max(32).default(['linux']),
});

export const runnerChange = z
  .strictObject({
    draining: z.boolean().optional().describe('true: it finishes what it has and takes no more.'),
    quarantined: z.literal(false).optional().describe('false: it is trusted again at once.'),
    deploy: z
      .boolean()
      .optional()
      .describe('Whether one that registered itself has the label deploy. It cannot give itself that one.'),
  })
  .refine(
    (change) => Object.keys(change).length > 0,
    'must say what to change: draining, quarantined or deploy',
  );

export const runnerBody = z
  .object({
    name: z.string(),
    labels: z.array(z.string()),
    embedded: z.boolean(),
    registered: z.boolean().describe('It came by itself, with the registration secret.'),
    addedBy: z.string().nullable().describe('Who added it; null where nobody did, or nobody remembers.'),
    draining: z.boolean(),
    quarantine: z
      .object({
        since: z.iso.datetime(),
        until: z.iso.datetime().describe('When it is tried with one job.'),
        why: z.string(),
      })
      .nullable()
      .describe('Set while it is put aside because attempts broke on it one after the other.'),
    connected: z.boolean(),
    running: z.number().int(),
    capacity: z.number().int(),
    version: z.string().nullable(),
    sandbox: z.string().nullable(),
    toolchain: z.record(z.string(), z.string()),
    createdAt: z.string(),
    lastSeenAt: z.string().nullable(),
  })
  .meta({ id: 'Runner' });
export type RunnerAnswer = z.infer<typeof runnerBody>;

export const runnerList = z.object({ items: z.array(runnerBody), next: z.null() });

export const addedRunner = z.object({
  name: z.string(),
  labels: z.array(z.string()),
  token: z.string().describe('Shown this once.'),
});
export type AddedRunner = z.infer<typeof addedRunner>;
