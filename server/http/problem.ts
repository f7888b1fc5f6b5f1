import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { z } from 'zod';
import { DatabaseAway } from '../db/away.ts';
import { diskFull } from './disk-full.ts';
import { Refusal } from './refusal.ts';

/** The body of every error answer (RFC 9457). */
export const problemBody = z
  .looseObject({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.number().int(),
    code: z.string(),
    detail: z.string(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details with a stable code and what to do.' });

/** The one place where an error becomes an answer. Faults are logged here, once, and shown without their inside. */
export function answerErrors(log: Logger): ErrorRequestHandler {
  return (error, request, response, _next) => {
    const refusal = asRefusal(error);
    if (refusal.status >= 500)
      log.error({ err: error, method: request.method, path: request.path }, refusal.message);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    sendProblem(response, refusal);
  };
}

export const answerUnknownPath: RequestHandler = (request) => {
  throw new Refusal(404, 'not-found', `There is nothing at ${request.method} ${request.path}.`);
};

export function sendProblem(response: Response, refusal: Refusal): void {
  const { status, code, message, extra } = refusal;
  if (typeof extra['retryAfter'] === 'number') response.set('Retry-After', String(extra['retryAfter']));
  if (status === 401 && !response.hasHeader('WWW-Authenticate')) response.set('WWW-Authenticate', 'Bearer');
  response
    .status(status)
    .type('application/problem+json')
    .send(
      JSON.stringify({
        type: 'about:blank',
        title: TITLES[status] ?? 'Error',
        status,
        code,
        detail: message,
        ...extra,
      }),
    );
}

/** For how long whoever finds the database away is asked to wait. */
const RETRY_SECONDS = 2;

/** A full disk, a database that is away, a body that express's parser refused, a fault: each as the refusal it means. */
function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const full = diskFull(error);
  if (full) return full;
  if (error instanceof DatabaseAway)
    return new Refusal(503, 'unavailable', error.message, { retryAfter: RETRY_SECONDS });
  const status = (error as { status?: unknown })?.status;
  if (status === 413) return new Refusal(413, 'too-large', 'The body is larger than this route accepts.');
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Refusal(status, 'bad-request', `The request could not be read: ${(error as Error).message}.`);
  }
  return new Refusal(500, 'internal', "Something in Reprise broke. The server's log says what.");
}

const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  422: 'Unprocessable Content',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  507: 'Insufficient Storage',
};
