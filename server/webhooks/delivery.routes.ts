import type { Status } from '@reprise/pipelines/status.ts';
import { z } from 'zod';
import { type Delivery, deliverySchema, iso, listOf, page } from '../api.ts';
import { visibleProjects } from '../auth/caller.ts';
import type { Delivery as DeliveryRow } from '../db/schema.ts';
import { type Route, route } from '../http/route.ts';
import type { Services } from '../services.ts';
import { listDeliveries, statusesOf } from './delivery.store.ts';
import { redeliver } from './redeliver.ts';

const redelivered = z.object({
  delivery: z.string(),
  builds: z.array(z.object({ project: z.string(), number: z.number().int() })),
});

/** What GitHub sent and what became of it; and to run one again. */
export function deliveryRoutes(services: Services): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/deliveries',
      policy: 'signed-in',
      summary: 'What GitHub sent and what became of it.',
      query: z.object({ ...page, project: z.string().max(64).optional().describe('A name.') }),
      answer: listOf(deliverySchema),
      async handle({ query, caller }) {
        const found = await listDeliveries(services.reader, { ...query, projects: visibleProjects(caller) });
        const last = found.length === query.limit ? found.at(-1) : undefined;
        const statuses = await statusesOf(services.reader, found);
        const items = found.map((delivery) => viewOf(delivery, statuses));
        return { items, next: last ? String(last.seq) : null };
      },
    }),
    route({
      method: 'post',
      path: '/api/deliveries/:id/redeliver',
      policy: 'signed-in',
      summary: 'Builds what a recorded delivery asked for again, in the projects where the caller may.',
      params: z.object({ id: z.string() }),
      body: z.strictObject({ reason: z.string().max(4096).default('') }),
      status: 202,
      answer: redelivered,
      async handle({ params: { id }, body, caller }) {
        return { delivery: id, builds: await redeliver(services, id, { ...body, by: caller }) };
      },
    }),
  ];
}

function viewOf(
  delivery: DeliveryRow & { project: string },
  statuses: (project: string, build: number) => Status | undefined,
): Delivery {
  const { project } = delivery;
  const numbers: number[] = JSON.parse(delivery.builds);
  return {
    id: delivery.guid,
    project,
    event: delivery.event,
    action: delivery.action,
    ref: delivery.ref,
    before: delivery.before_sha,
    after: delivery.after_sha,
    sender: delivery.sender,
    receivedAt: iso(delivery.received_at),
    ignored: delivery.ignored,
    builds: numbers.flatMap((number) => {
      const status = statuses(delivery.project_id, number);
      return status ? [{ project, number, status }] : [];
    }),
  };
}
