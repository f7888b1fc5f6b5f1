import { STATUSES } from '@reprise/pipelines/status.ts';
import { z } from 'zod';
import { type Route, route } from '../http/route.ts';
import type { Services } from '../services.ts';
import { runnerCandidates } from './candidates.ts';
import { openJobs } from './queue.store.ts';
import { whyWaiting } from './why.ts';

const queueItem = z
  .object({
    project: z.string(),
    build: z.number().int(),
    job: z.string(),
    status: z.enum(STATUSES),
    runsOn: z.array(z.string()),
    queuedAt: z.string(),
    why: z.string(),
    runner: z.string().nullable(),
  })
  .meta({ id: 'QueueItem' });

const page = z.object({
  before: z.coerce.number().int().nonnegative().optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

/** What runs and what waits, and why. */
export function queueRoutes(services: Services): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/queue',
      policy: 'signed-in',
      summary: 'Jobs that are not over, in the order in which they are taken, and why they wait.',
      query: page,
      answer: z.object({ items: z.array(queueItem), next: z.number().int().nullable() }),
      handle: ({ query }) => listQueue(services, query),
    }),
  ];
}

async function listQueue(services: Services, { before, limit }: z.output<typeof page>) {
  const rows = await openJobs(services.reader, { after: before ?? 0, limit: limit + 1 });
  const candidates = await runnerCandidates(services);
  const items = rows.slice(0, limit).map((row): z.infer<typeof queueItem> => {
    const runsOn: string[] = JSON.parse(row.runs_on);
    const waiting = row.ready === 1 ? whyWaiting(runsOn, candidates) : '';
    return {
      project: row.project,
      build: row.build,
      job: row.job,
      status: row.status,
      runsOn,
      queuedAt: new Date(row.queued_at).toISOString(),
      why: waiting || row.why,
      runner: row.runner,
    };
  });
  return { items, next: rows.length > limit ? (rows[limit - 1]?.seq ?? null) : null };
}
