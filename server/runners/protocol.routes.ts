import {
  claim,
  FENCE_HEADER,
  finish,
  hostRecordEntry,
  paths,
  progress,
  renew,
} from '@reprise/runner/protocol.ts';
import { z } from 'zod';
import { placeOf } from '../auth/session.routes.ts';
import type { Runner } from '../db/schema.ts';
import { recordOnHost } from '../deployments/record.ts';
import { Refusal } from '../http/refusal.ts';
import { type Call, type Route, route, STREAMED } from '../http/route.ts';
import { keepBlob } from '../retention/removals.ts';
import type { Services } from '../services.ts';
import { appendLog } from './append-log.ts';
import { attemptOf, type PlacedAttempt, runningAttemptOf } from './attempt.store.ts';
import { finishAttempt } from './finish.ts';
import { alreadyConnected, greet } from './hello.ts';
import { sendInput } from './input.ts';
import { recordProgress } from './progress.ts';
import { registerRunner } from './register.ts';
import { renewRunner } from './renew.ts';

const attemptId = z.string().regex(/^[0-9a-z]{8,40}$/);
const ofAttempt = z.object({ attempt: attemptId });
const ofBlob = z.object({ attempt: attemptId, sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** Only the version is looked at before it is known to be ours: another version's greeting may have another shape. */
const anyHello = z.looseObject({ protocol: z.number().int() });

/** A report of 512 steps with long names fits several times. */
const REPORT_BYTES = 1024 * 1024;

/** An artifact's limit on the wire; the disk is the real one. */
const BLOB_BYTES = 16 * 1024 ** 3;

/** The server's side of runner/protocol.ts, where each answer is explained. */
export function protocolRoutes(services: Services): Route[] {
  return [...runnerRequests(services), ...attemptRequests(services), ...blobRequests(services)];
}

function runnerRequests(services: Services): Route[] {
  const { queue } = services;
  return [
    route({
      method: 'post',
      path: paths.hello,
      policy: 'runner',
      summary: null,
      body: anyHello,
      handle: ({ caller, body }) => greet(services, runnerOf(caller), body),
    }),
    route({
      method: 'post',
      path: paths.register,
      // The secret in it is looked at there, and counts for nothing else.
      policy: 'public',
      summary: null,
      body: anyHello,
      handle: ({ body, request }) => registerRunner(services, body, placeOf(request)),
    }),
    route({
      method: 'post',
      path: paths.renew,
      policy: 'runner',
      summary: null,
      body: renew,
      handle: ({ caller, body, signal }) => renewRunner(services, runnerOf(caller), { ask: body, signal }),
    }),
    route({
      method: 'post',
      path: paths.claim,
      policy: 'runner',
      summary: null,
      body: claim,
      async handle({ caller, body, signal }) {
        const runner = runnerOf(caller);
        if (runner.instance !== body.instance) throw alreadyConnected(runner.name);
        return (await queue.claim(runner, body, signal)) ?? undefined;
      },
    }),
  ];
}

function attemptRequests(services: Services): Route[] {
  return [
    route({
      method: 'post',
      path: paths.log(':attempt'),
      policy: 'runner',
      summary: null,
      params: ofAttempt,
      query: z.object({ offset: z.coerce.number().int().nonnegative() }),
      handle: async (call) =>
        appendLog(services, await running(services, call), {
          body: call.request,
          offset: call.query.offset,
          length: Number(call.request.headers['content-length'] ?? Number.NaN),
        }),
    }),
    route({
      method: 'put',
      path: paths.progress(':attempt'),
      policy: 'runner',
      summary: null,
      params: ofAttempt,
      body: progress,
      bodyLimit: REPORT_BYTES,
      handle: async (call) => recordProgress(services, await running(services, call), call.body),
    }),
    route({
      method: 'post',
      path: paths.record(':attempt'),
      policy: 'runner',
      summary: null,
      params: ofAttempt,
      body: hostRecordEntry,
      handle: async (call) => recordOnHost(services, await running(services, call), call.body),
    }),
    route({
      method: 'post',
      path: paths.finish(':attempt'),
      policy: 'runner',
      summary: null,
      params: ofAttempt,
      body: finish,
      bodyLimit: REPORT_BYTES,
      async handle(call) {
        const { params, request, caller } = call;
        const attempt = await attemptOf(services.db, runnerOf(caller), {
          id: params.attempt,
          fence: request.get(FENCE_HEADER),
        });
        await finishAttempt(services, attempt, call.body);
        return {};
      },
    }),
  ];
}

function blobRequests(services: Services): Route[] {
  const { blobs } = services;
  return [
    route({
      method: 'put',
      path: paths.blob(':attempt', ':sha256'),
      policy: 'runner',
      summary: null,
      params: ofBlob,
      async handle(call) {
        await running(services, call);
        await keepBlob(services.db, call.params.sha256);
        if (services.disk.problem !== null && !(await blobs.has(call.params.sha256)))
          services.disk.refuseNew();
        const stored = await blobs.put(call.params.sha256, call.request, { limit: BLOB_BYTES });
        call.response.status(stored === 'stored' ? 201 : 200).json({});
        return STREAMED;
      },
    }),
    route({
      method: 'head',
      path: paths.blob(':attempt', ':sha256'),
      policy: 'runner',
      summary: null,
      params: ofBlob,
      async handle(call) {
        await running(services, call);
        call.response.status((await blobs.has(call.params.sha256)) ? 200 : 404).end();
        return STREAMED;
      },
    }),
    route({
      method: 'get',
      path: paths.input(':attempt', ':sha256'),
      policy: 'runner',
      summary: null,
      params: ofBlob,
      async handle(call) {
        const attempt = await running(services, call);
        await sendInput(services, attempt, { sha256: call.params.sha256, response: call.response });
        return STREAMED;
      },
    }),
  ];
}

/** The running attempt that a request is about and speaks for. */
function running(
  { db }: Services,
  { params, caller, request }: Call<{ attempt: string }, unknown, unknown>,
): Promise<PlacedAttempt> {
  return runningAttemptOf(db, runnerOf(caller), { id: params.attempt, fence: request.get(FENCE_HEADER) });
}

function runnerOf({ runner }: { runner: Runner | null }): Runner {
  if (runner === null) throw new Refusal(403, 'forbidden', 'This is for runners: use a runner token.');
  return runner;
}
