import { z } from 'zod';
import { iso } from '../api.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import type { Services } from '../services.ts';
import { addRunner } from './add.ts';
import { changeRunner } from './change.ts';
import { triedAt } from './quarantine.ts';
import { removeRunner } from './remove.ts';
import {
  addedRunner,
  name,
  newRunner,
  type RunnerAnswer,
  runnerBody,
  runnerChange,
  runnerList,
} from './runner.api.ts';
import { findRunner, type RunnerState, runnerStates } from './runner.store.ts';

const byName = z.object({ name });

/** What people do with runners: see, add, drain, remove. */
export function runnerRoutes(services: Services): Route[] {
  const { db } = services;
  return [
    route({
      method: 'get',
      path: '/api/runners',
      policy: 'signed-in',
      summary: 'The runners: their labels, whether they are connected, and how much they do.',
      answer: runnerList,
      handle: async () => ({
        items: (await runnerStates(services)).map((state) => asJson(services, state)),
        next: null,
      }),
    }),
    route({
      method: 'post',
      path: '/api/runners',
      policy: 'admin',
      summary: 'Adds a runner. Its token is shown this once.',
      body: newRunner,
      status: 201,
      answer: addedRunner,
      handle: ({ body, caller }) => addRunner(services, body, caller),
    }),
    route({
      method: 'patch',
      path: '/api/runners/:name',
      policy: 'admin',
      summary:
        'Lets a runner finish what it has and take no more (`draining`), or take jobs again, also after it was put aside (`quarantined`); says whether one that registered itself may deploy (`deploy`).',
      params: byName,
      body: runnerChange,
      answer: runnerBody,
      async handle({ params, body, caller }) {
        await changeRunner(services, params.name, { ...body, by: caller });
        const state = (await runnerStates({ ...services, reader: db })).find(
          ({ runner }) => runner.name === params.name,
        );
        return state && asJson(services, state);
      },
    }),
    route({
      method: 'delete',
      path: '/api/runners/:name',
      policy: 'admin',
      summary:
        'Removes a runner at once: its token ends for good, and what it executes is tried again elsewhere.',
      params: byName,
      async handle({ params, caller }) {
        const runner = await findRunner(db, params.name);
        if (!runner) throw notFound(`Runner ${params.name}`);
        if (runner.embedded) {
          throw new Refusal(
            409,
            'conflict',
            'The embedded runner is started by the server: drain it, or set REPRISE_EMBEDDED_RUNNERS=0.',
          );
        }
        await removeRunner(services, runner, caller);
      },
    }),
  ];
}

function asJson(
  { config }: Pick<Services, 'config'>,
  { runner, labels, connected, running }: RunnerState,
): RunnerAnswer {
  return {
    name: runner.name,
    labels,
    embedded: runner.embedded === 1,
    registered: runner.registered === 1,
    addedBy: runner.added_by || null,
    draining: runner.draining === 1,
    quarantine:
      runner.aside_since === null
        ? null
        : {
            since: iso(runner.aside_since),
            until: iso(triedAt(runner, config.times.reassignMs)),
            why: runner.aside_why,
          },
    connected,
    running,
    capacity: runner.capacity,
    version: runner.version,
    sandbox: runner.sandbox,
    toolchain: runner.toolchain ? JSON.parse(runner.toolchain).tools : {},
    createdAt: iso(runner.created_at),
    lastSeenAt: iso(runner.last_seen_at),
  };
}
