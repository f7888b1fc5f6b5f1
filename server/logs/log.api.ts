import { z } from 'zod';

const offset = z.number().int().describe("Of the line's first byte in the log.");
const number = z.number().int().positive();

/** A page of a job's log. */
export const logLinesSchema = z
  .object({
    lines: z.array(
      z.object({
        number: number.describe('Counts from 1.'),
        offset,
        length: z.number().int().describe('Bytes without the newline; where `text` has less, it was cut.'),
        at: z.iso.datetime().describe('When its first byte arrived.'),
        text: z.string(),
      }),
    ),
    total: z.number().int().describe('Lines held so far, counting a last one without a newline.'),
  })
  .meta({ id: 'LogLines' });
export type LogLines = z.infer<typeof logLinesSchema>;

/** What a search of a job's log found. */
export const logMatchesSchema = z
  .object({
    matches: z.array(z.object({ line: number, offset, text: z.string() })),
    more: z.boolean().describe('Whether there are more than were asked for.'),
  })
  .meta({ id: 'LogMatches' });
export type LogMatches = z.infer<typeof logMatchesSchema>;
