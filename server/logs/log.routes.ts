import { z } from 'zod';
import { findLog } from '../builds/find.ts';
import { type Route, route } from '../http/route.ts';
import { sendBytes } from '../http/send-bytes.ts';
import type { Services } from '../services.ts';
import { type LogLines, type LogMatches, logLinesSchema, logMatchesSchema } from './log.api.ts';

const params = z.object({
  project: z.string(),
  number: z.coerce.number().int().positive(),
  job: z.string(),
});

const attempt = z.coerce.number().int().positive().optional().describe('The latest unless told.');

/** A job's log: its bytes, its lines, and what a search finds in it. A job that nobody has tried yet has an empty one. */
export function logRoutes({ reader, logs }: Services): Route[] {
  const log = '/api/projects/:project/builds/:number/jobs/:job/log';
  return [
    route({
      method: 'get',
      path: log,
      policy: 'viewer',
      summary:
        "A job's log as it was written; ranges of bytes are answered, and it grows while the job runs.",
      params,
      query: z.object({ attempt }),
      async handle(call) {
        const found = await findLog(reader, { ...call.params, ...call.query });
        const { project, number, job } = call.params;
        const name = `${project}-${number}-${job}.log`.replace(/[^\w.-]/g, '_');
        return sendBytes(call, {
          size: found ? await logs.size(found.id) : 0,
          headers: {
            'Content-Type': 'text/plain; charset=utf-8',
            'Content-Disposition': `inline; filename="${name}"`,
            'Cache-Control': 'no-store',
          },
          open: (range) => logs.read(found?.id ?? '', range),
        });
      },
    }),
    route({
      method: 'get',
      path: `${log}/lines`,
      policy: 'viewer',
      summary: "Lines of a job's log, with their places and times.",
      params,
      query: z.object({
        attempt,
        from: z.coerce
          .number()
          .int()
          .default(1)
          .describe('The first line; -100 is the hundredth from the end.'),
        offset: z.coerce
          .number()
          .int()
          .nonnegative()
          .optional()
          .describe('Instead: a byte of the first line.'),
        count: z.coerce.number().int().min(0).max(5000).default(500),
      }),
      answer: logLinesSchema,
      async handle({ params, query }): Promise<LogLines> {
        const found = await findLog(reader, { ...params, attempt: query.attempt });
        if (!found) return { lines: [], total: 0 };
        const from = query.offset === undefined ? query.from : await logs.lineAt(found.id, query.offset);
        const { lines, total } = await logs.lines(found.id, { from, count: query.count });
        return { lines: lines.map((line) => ({ ...line, at: new Date(line.at).toISOString() })), total };
      },
    }),
    route({
      method: 'get',
      path: `${log}/search`,
      policy: 'viewer',
      summary: "The lines of a job's log that hold a text, whatever its case.",
      params,
      query: z.object({
        attempt,
        q: z.string().min(1).max(256),
        limit: z.coerce.number().int().min(1).max(1000).default(200),
      }),
      answer: logMatchesSchema,
      async handle({ params, query, signal }): Promise<LogMatches> {
        const found = await findLog(reader, { ...params, attempt: query.attempt });
        if (!found) return { matches: [], more: false };
        const matches = await logs.search(found.id, query.q, query.limit + 1, signal);
        return { matches: matches.slice(0, query.limit), more: matches.length > query.limit };
      },
    }),
  ];
}
