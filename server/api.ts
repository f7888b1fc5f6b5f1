/**
 * The shapes of the public API's answers. Checked schemas for the OpenAPI document, and types for the page, which may
 * import nothing else of the server. Instants are ISO 8601 in UTC, sizes and offsets bytes.
 */
import { STATUSES } from '@reprise/pipelines/status.ts';
import { z } from 'zod';

const status = z.enum(STATUSES);
const instant = z.iso.datetime();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const why = z.string().describe('A sentence where something waits or ended unusually, else empty.');

export const stepSchema = z
  .object({
    name: z.string(),
    status,
    exitCode: z.number().int().nullable(),
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
    logOffset: z.number().int().nullable().describe("Where the step's section of the job's log begins."),
  })
  .meta({ id: 'Step' });
export type Step = z.infer<typeof stepSchema>;

export const attemptSchema = z
  .object({
    number: z.number().int().positive(),
    status,
    runner: z.string(),
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
    logSize: z.number().int(),
    why,
  })
  .meta({ id: 'Attempt' });
export type Attempt = z.infer<typeof attemptSchema>;

export const jobSchema = z
  .object({
    name: z.string(),
    status,
    needs: z.array(z.string()),
    runner: z.string().nullable().describe('Who has or had the latest attempt.'),
    attempt: z.number().int().describe('The latest attempt; 0 before the first.'),
    attempts: z.array(attemptSchema),
    why,
    queuedAt: instant,
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
    logSize: z.number().int(),
    steps: z.array(stepSchema).describe('Those of the latest attempt; before the first, those planned.'),
  })
  .meta({ id: 'Job' });
export type Job = z.infer<typeof jobSchema>;

export const differenceSchema = z
  .object({
    path: z.string(),
    change: z.enum(['added', 'removed', 'changed']),
    sha256: z
      .tuple([sha256.nullable(), sha256.nullable()])
      .describe(
        'Of the content in the earlier build and in the later; null where it is not a file, or not there.',
      ),
    mode: z
      .tuple([z.string(), z.string()])
      .optional()
      .describe('Given where its kind, mode or target changed.'),
  })
  .meta({ id: 'Difference' });
export type Difference = z.infer<typeof differenceSchema>;

export const reproducibilitySchema = z
  .object({
    state: z.enum(['unverified', 'identical', 'different']),
    comparedWith: z
      .number()
      .int()
      .nullable()
      .describe(
        'A build of the same commit with the same plan: the earliest other, or the earliest that differs.',
      ),
    differences: z.array(differenceSchema).describe('The first thousand.'),
    differenceCount: z.number().int().optional().describe('All of them; given where the builds differ.'),
    toolchainChanged: z.boolean().optional().describe("Whether the two builds' runners had other tools."),
  })
  .meta({ id: 'Reproducibility' });
export type Reproducibility = z.infer<typeof reproducibilitySchema>;

export const artifactSchema = z
  .object({
    name: z.string(),
    fileName: z.string(),
    version: z.string(),
    sha256,
    treeSha256: sha256.describe(
      "The artifact's identity: of its files, whatever its version and compression.",
    ),
    size: z.number().int(),
    url: z.string(),
    reproducibility: reproducibilitySchema,
  })
  .meta({ id: 'Artifact' });
export type Artifact = z.infer<typeof artifactSchema>;

/** What a build came of. */
export const triggerSchema = z.object({
  kind: z.enum(['push', 'tag', 'pull_request', 'schedule', 'manual', 'rebuild']),
  by: z.string(),
  reason: z.string(),
});

export const buildSchema = z
  .object({
    project: z.string(),
    number: z.number().int().positive(),
    status,
    commit: z.string(),
    ref: z.string().describe('Full ref; empty when built by sha.'),
    branch: z.string().nullable(),
    tag: z.string().nullable(),
    pullRequest: z
      .object({ number: z.number().int(), fork: z.boolean(), head: z.string(), base: z.string() })
      .nullable(),
    message: z.string(),
    author: z.object({ name: z.string(), email: z.string() }),
    trigger: triggerSchema,
    rebuildOf: z.number().int().nullable(),
    version: z.string().nullable(),
    pipelineFrom: z.string().nullable().describe('`commit`, or where else the pipeline file was read.'),
    why,
    queuedAt: instant,
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
    pinned: z
      .object({ by: z.string(), at: instant, reason: z.string() })
      .nullable()
      .describe('Kept whatever the rules of retention say.'),
    removed: z
      .object({ at: instant, why: z.string() })
      .nullable()
      .describe('Its logs and artifacts were removed by retention: when, and by which rule.'),
    jobs: z.array(jobSchema),
    artifacts: z.array(artifactSchema),
  })
  .meta({ id: 'Build' });
export type Build = z.infer<typeof buildSchema>;

export const deliverySchema = z
  .object({
    id: z.string().describe("GitHub's id for it, the header X-GitHub-Delivery."),
    project: z.string(),
    event: z
      .string()
      .describe('As GitHub calls it; `look`: a push that no webhook announced, found by looking.'),
    action: z.string().nullable(),
    ref: z.string().nullable(),
    before: z.string().nullable(),
    after: z.string().nullable(),
    sender: z.string().nullable(),
    receivedAt: instant,
    ignored: z.string().nullable().describe('Why no build came of it.'),
    builds: z
      .array(z.object({ project: z.string(), number: z.number().int(), status }))
      .describe('Those it came to, and those of delivering it again.'),
  })
  .meta({ id: 'Delivery' });
export type Delivery = z.infer<typeof deliverySchema>;

/** A page of a list, newest first; `next` is the `before` of the following page, null at the end. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

/** The query parameters of every list. */
export const page = {
  before: z.coerce.number().int().positive().optional().describe('The `next` of the page before.'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
};

/** An instant of the database as the API writes it. */
export function iso(at: number): string;
export function iso(at: number | null): string | null;
export function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
