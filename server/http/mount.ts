import express, { type Express, type RequestHandler, type Response } from 'express';
import type { z } from 'zod';
import { type Authenticate, authorize, callerOf } from './authenticate.ts';
import { Refusal } from './refusal.ts';
import { type Route, STREAMED } from './route.ts';

/** Makes each declared route answer, with its policy, its validation and its problem answers. */
export function mount(app: Express, routes: readonly Route[], authenticate: Authenticate): void {
  for (const route of routes) {
    const handlers: RequestHandler[] = [gate(route, authenticate)];
    if (route.body) handlers.push(express.json({ limit: route.bodyLimit ?? '100kb', strict: false }));
    handlers.push(run(route));
    app[route.method](route.path, ...handlers);
  }
}

/** Authorization comes before the body is read: a stranger cannot make the server parse. */
function gate(route: Route, authenticate: Authenticate): RequestHandler {
  return async (request, response, next) => {
    const caller = await callerOf(request, authenticate);
    authorize(route.policy, caller);
    response.locals['caller'] = caller;
    next();
  };
}

function run(route: Route): RequestHandler {
  return async (request, response) => {
    const answer = await route.handle({
      params: check(route.params, request.params, 'path'),
      query: check(route.query, request.query, 'query'),
      body: route.body ? check(route.body, request.body ?? {}, 'body') : undefined,
      caller: response.locals['caller'],
      request,
      response,
      get signal() {
        return goneSignal(response);
      },
    });
    if (answer === STREAMED) return;
    if (answer === undefined) response.status(204).end();
    else response.status(route.status ?? 200).json(answer);
  };
}

function check(schema: z.ZodType | undefined, value: unknown, where: 'path' | 'query' | 'body'): unknown {
  if (!schema) return value;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.map((issue) => ({
    field: issue.path.length > 0 ? issue.path.join('.') : where,
    message: issue.message,
  }));
  const [first] = errors;
  throw new Refusal(400, 'bad-request', `${first?.field}: ${first?.message}.`, { errors });
}

function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  // It went away while it was being authenticated.
  if (response.destroyed) gone.abort();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}
