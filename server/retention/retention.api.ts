/** Shapes of retention as people see it. Instants are ISO 8601 in UTC, sizes bytes. */
import { z } from 'zod';

const limit = z.number().int().positive().nullable();

/** What of a project's builds is kept; whichever rule says first that a build goes is enough. */
export const retentionRulesSchema = z
  .strictObject({
    days: limit.describe('Builds that ended longer ago go; null: none does for its age.'),
    builds: limit.describe('As many of the newest that hold logs and artifacts stay; null: any number.'),
    bytes: limit.describe('The newest stay that together hold so much at most; null: any size.'),
    records: z
      .enum(['stay', 'go'])
      .describe(
        'Whether the record of a build whose logs and artifacts are removed stays, or goes with them.',
      ),
  })
  .meta({ id: 'RetentionRules' });
export type RetentionRules = z.infer<typeof retentionRulesSchema>;

export const retentionSchema = z
  .object({
    rules: retentionRulesSchema.describe('In force.'),
    own: retentionRulesSchema.nullable().describe("The project's; null: the instance's are in force."),
    instance: retentionRulesSchema,
    held: z.object({
      builds: z.number().int().describe('Ended builds that hold their logs and artifacts.'),
      bytes: z.number().int(),
    }),
  })
  .meta({ id: 'Retention' });
export type Retention = z.infer<typeof retentionSchema>;

const oneBuild = {
  number: z.number().int(),
  finishedAt: z.iso.datetime(),
  bytes: z.number().int(),
  why: z.string().describe('A sentence.'),
};

export const retentionPreviewSchema = z
  .object({
    rules: retentionRulesSchema,
    goes: z.object({
      builds: z.number().int(),
      bytes: z.number().int().describe('Of their logs and artifacts; what other builds share is not freed.'),
      items: z.array(z.object(oneBuild)).describe('The oldest hundred.'),
    }),
    stays: z
      .array(z.object(oneBuild))
      .describe('Builds that would go by the rules, and why they stay; the oldest hundred.'),
    complete: z.boolean().describe('false: only the oldest thousand builds were looked at.'),
  })
  .meta({ id: 'RetentionPreview' });
export type RetentionPreview = z.infer<typeof retentionPreviewSchema>;

export const retentionRunSchema = z.object({
  builds: z.number().int().describe('Whose logs and artifacts were removed.'),
  bytes: z.number().int(),
  complete: z.boolean().describe('false: there is more to remove; the next sweep goes on.'),
});
