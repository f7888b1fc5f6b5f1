import express, { type Express, type RequestHandler, type Response } from 'express';
import type { z } from 'zod';
import type { Vault } from '../vault.ts';
import { type Authenticate, authorize, callerOf } from './authenticate.ts';
import { assertFromOwnPage } from './own-page.ts';
import { Refusal } from './refusal.ts';
import { POLICIES, type Route, STREAMED } from './route.ts';

/** What letting somebody in needs. */
export interface Entrance {
  authenticate: Authenticate;
  vault: Vault;
  publicUrl(): string;
}

/** Makes each declared route answer, with its policy, its validation and its problem answers. */
export function mount(app: Express, routes: readonly Route[], entrance: Entrance): void {
  for (const route of routes) {
    assertPolicy(route);
    const handlers: RequestHandler[] = [gate(route, entrance)];
    if (route.body) handlers.push(express.json({ limit: route.bodyLimit ?? '100kb', strict: false }));
    handlers.push(run(route));
    app[route.method](route.path, ...handlers);
  }
  // Only after all of them: `/builds/latest` must not be taken for a wrong method of `/builds/:number`.
  for (const [path, declared] of Map.groupBy(routes, (route) => route.path)) {
    app.all(path, refuseMethod(declared.map(({ method }) => method)));
  }
}

/** Nothing is open by being forgotten: a server with such a route does not start. */
function assertPolicy({ method, path, policy }: Route): void {
  if ((POLICIES as readonly unknown[]).includes(policy)) return;
  throw new Error(
    `${method.toUpperCase()} ${path} does not declare who may call it: give it one of ${POLICIES.join(', ')}.`,
  );
}

/** The address is right, the method is not. */
function refuseMethod(methods: string[]): RequestHandler {
  const able = methods.flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : method.toUpperCase()));
  const allowed = [...new Set(able)].sort().join(', ');
  return (request, response) => {
    response.set('Allow', allowed);
    const sentence = `${request.method} is not possible at ${request.path}; ${allowed} is.`;
    throw new Refusal(405, 'method-not-allowed', sentence);
  };
}

/** Authorization comes before the body is read: a stranger cannot make the server parse. */
function gate(route: Route, { authenticate, vault, publicUrl }: Entrance): RequestHandler {
  return async (request, response, next) => {
    const caller = await callerOf(request, authenticate);
    if (caller.kind !== 'runner')
      assertFromOwnPage(request, { byCookie: caller.kind === 'user', vault, publicUrl: publicUrl() });
    authorize(route.policy, caller, request.params['project']?.toString() ?? null);
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
    message: messageOf(issue),
  }));
  const [first] = errors;
  throw new Refusal(400, 'bad-request', `${first?.field}: ${first?.message}.`, { errors });
}

/** Zod speaks of types to programmers; who sends a request wants to know what is missing and what would do. */
function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_type') return issue.message;
  const kind = KINDS[issue.expected] ?? issue.expected;
  return issue.message.endsWith('received undefined') ? `is missing, and must be ${kind}` : `must be ${kind}`;
}

const KINDS: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a JSON object',
  record: 'a JSON object',
};

function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  // It went away while it was being authenticated.
  if (response.destroyed) gone.abort();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}
