import { createHash } from 'node:crypto';
import { z } from 'zod';
import { newId, newToken } from '../db/id.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import type { Services } from '../services.ts';
import { EMBEDDED } from './embedded.ts';
import { removeRunner } from './remove.ts';
import { addedRunner, name, newRunner, runnerBody, runnerChange, runnerList } from './runner.api.ts';
import { findRunner, type RunnerState, runnerStates } from './runner.store.ts';

const byName = z.object({ name });

/** What people do with runners: see, add, drain, remove. */
export function runnerRoutes(services: Services): Route[] {
  const { db, live, queue } = services;
  return [
    route({
      method: 'get',
      path: '/api/runners',
      policy: 'signed-in',
      summary: 'The runners: their labels, whether they are connected, and how much they do.',
      answer: runnerList,
      handle: async () => ({ items: (await runnerStates(services)).map(asJson), next: null }),
    }),
    route({
      method: 'post',
      path: '/api/runners',
      policy: 'admin',
      summary: 'Adds a runner. Its token is shown this once.',
      body: newRunner,
      status: 201,
      answer: addedRunner,
      handle: ({ body }) => addRunner(services, body),
    }),
    route({
      method: 'patch',
      path: '/api/runners/:name',
      policy: 'admin',
      summary: 'Lets a runner finish what it has and take no more (`draining`), or take jobs again.',
      params: byName,
      body: runnerChange,
      answer: runnerBody,
      async handle({ params, body }) {
        const { numUpdatedRows } = await db
          .updateTable('runners')
          .set({ draining: body.draining ? 1 : 0 })
          .where('name', '=', params.name)
          .executeTakeFirst();
        if (numUpdatedRows === 0n) throw notFound(`Runner ${params.name}`);
        queue.wake();
        live.changed('runners', 'queue');
        const state = (await runnerStates({ ...services, reader: db })).find(
          ({ runner }) => runner.name === params.name,
        );
        return state && asJson(state);
      },
    }),
    route({
      method: 'delete',
      path: '/api/runners/:name',
      policy: 'admin',
      summary: 'Removes a runner at once: its token ends, and what it executes is tried again elsewhere.',
      params: byName,
      async handle({ params }) {
        const runner = await findRunner(db, params.name);
        if (!runner) throw notFound(`Runner ${params.name}`);
        if (runner.embedded) {
          throw new Refusal(
            409,
            'conflict',
            'The embedded runner is started by the server: drain it, or set REPRISE_EMBEDDED_RUNNERS=0.',
          );
        }
        await removeRunner(services, runner);
      },
    }),
  ];
}

async function addRunner(
  { db, live, now }: Services,
  given: z.output<typeof newRunner>,
): Promise<z.infer<typeof addedRunner>> {
  const token = newToken('rpr');
  const labels = [...new Set(given.labels)].sort();
  const taken = new Refusal(
    409,
    'name-taken',
    `There is a runner ${given.name} already: choose another name.`,
  );
  if (given.name === EMBEDDED) throw taken;
  const added = await db
    .insertInto('runners')
    .values({
      id: newId(),
      name: given.name,
      labels: JSON.stringify(labels),
      token_hash: createHash('sha256').update(token).digest('hex'),
      embedded: 0,
      draining: 0,
      capacity: 1,
      created_at: now(),
    })
    .onConflict((oc) => oc.column('name').doNothing())
    .executeTakeFirst();
  if (added.numInsertedOrUpdatedRows === 0n) throw taken;
  live.changed('runners', 'queue');
  return { name: given.name, labels, token };
}

function asJson({ runner, labels, connected, running }: RunnerState): z.infer<typeof runnerBody> {
  return {
    name: runner.name,
    labels,
    embedded: runner.embedded === 1,
    draining: runner.draining === 1,
    connected,
    running,
    capacity: runner.capacity,
    version: runner.version,
    sandbox: runner.sandbox,
    toolchain: runner.toolchain ? JSON.parse(runner.toolchain).tools : {},
    createdAt: new Date(runner.created_at).toISOString(),
    lastSeenAt: runner.last_seen_at === null ? null : new Date(runner.last_seen_at).toISOString(),
  };
}
