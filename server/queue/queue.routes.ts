import { z } from 'zod';
import { iso } from '../api.ts';
import { visibleProjects } from '../auth/caller.ts';
import { type Route, route } from '../http/route.ts';
import type { Services } from '../services.ts';
import { type QueueItem, queueListSchema } from './queue.api.ts';
import { openJobs, type Place } from './queue.store.ts';
import { situation } from './situation.ts';
import { whyWaiting } from './why.ts';

/** A place as a text: whether it runs, its priority, its number. */
const place = z
  .string()
  .regex(/^[01]\.-?\d{1,9}\.\d{1,15}$/)
  .transform((text): Place => {
    const [running, priority = 0, seq = 0] = text.split('.').map(Number);
    return { isRunning: running === 1, priority, seq };
  });

const page = z.object({
  before: place.optional().describe('The `next` of the page before.'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

/** What runs and what waits, and why. */
export function queueRoutes(services: Services): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/queue',
      policy: 'signed-in',
      summary:
        'Jobs that are not over, and why they wait: what runs, then what waits, in the order in which it is taken.',
      query: page,
      answer: queueListSchema,
      handle: ({ query, caller }) => listQueue(services, { ...query, projects: visibleProjects(caller) }),
    }),
  ];
}

async function listQueue(
  services: Services,
  { before, limit, projects }: z.output<typeof page> & { projects: readonly string[] | null },
) {
  const rows = await openJobs(services.reader, { after: before ?? null, limit: limit + 1, projects });
  const seen = await situation(services);
  const items = rows.slice(0, limit).map((row): QueueItem => {
    const waiting = row.ready === 1 ? whyWaiting(row, seen) : '';
    return {
      project: row.project,
      build: row.build,
      job: row.job,
      environment: row.environment,
      status: row.status,
      runsOn: JSON.parse(row.runs_on),
      priority: row.priority,
      branch: row.branch,
      message: row.message.split(/[\r\n]/, 1)[0] ?? '',
      trigger: { kind: row.trigger_kind, by: row.trigger_by, reason: row.trigger_reason },
      queuedAt: iso(row.queued_at),
      startedAt: iso(row.started_at),
      step: row.step,
      why: waiting || row.why,
      runner: row.runner,
    };
  });
  return {
    obstacle: seen.obstacle,
    items,
    next: rows.length > limit ? placeOf(rows[limit - 1]) : null,
  };
}

function placeOf(row?: { status: string; priority: number; seq: number }): string | null {
  return row ? `${row.status === 'running' ? 1 : 0}.${row.priority}.${row.seq}` : null;
}
