/** Shapes of a project's secrets. A value goes in and is never answered. */
import { z } from 'zod';
import { listOf } from '../api.ts';

export const secretSchema = z
  .object({
    name: z.string(),
    environment: z
      .string()
      .nullable()
      .describe("null: builds' own; else of deployments to that environment."),
    publicKey: z.string().nullable().describe('Of an SSH key that was made here: what the hosts must allow.'),
    masked: z.boolean().describe('Whether logs show *** in its place: not where it is too short.'),
    updatedBy: z.string(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Secret' });
export type Secret = z.infer<typeof secretSchema>;

export const secretListSchema = listOf(secretSchema);

/** What is put: a value, or the wish for a new SSH key. */
export const secretBody = z.union([
  z.strictObject({
    value: z
      .string()
      .min(1, 'must not be empty')
      .max(65_536, 'must have at most 65,536 characters')
      .refine((value) => !value.includes('\0'), 'must not hold a NUL character'),
  }),
  z.strictObject({ generate: z.literal('ssh-key') }),
]);
export type SecretBody = z.infer<typeof secretBody>;
