import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { Caller } from '../auth/caller.ts';
import type { Role } from '../auth/role.ts';

/**
 * Who may call a route; one without a policy does not start. A role is asked in the project where the path has `:project`
 * (one whose project the caller may not see is answered 404), else over the instance. `signed-in`: any person or token; what
 * is listed is narrowed to the projects they may see. `runner`: a runner's token. `public`: anybody.
 */
export const POLICIES = [
  'public',
  'signed-in',
  'viewer',
  'developer',
  'deployer',
  'admin',
  'runner',
] as const;
export type Policy = Role | 'public' | 'signed-in' | 'runner';

export interface Call<Params, Query, Body> {
  params: Params;
  query: Query;
  body: Body;
  caller: Caller;
  request: Request;
  response: Response;
  /** Aborted when the client goes away. */
  signal: AbortSignal;
}

/**
 * One route: what it is called with, who may, and what it answers. The declaration is all there is: validation,
 * authorization and the OpenAPI document are made from it. A handler returns the JSON to answer (`undefined`: 204), or writes
 * to `response` itself and returns `STREAMED`.
 */
export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
> {
  method: 'get' | 'head' | 'post' | 'put' | 'patch' | 'delete';
  /** Express path: `/api/projects/:project`. */
  path: string;
  policy: Policy;
  /** One sentence for the OpenAPI document; routes of the runner protocol say `null` and stay out of it. */
  summary: string | null;
  params?: Params;
  query?: Query;
  /** JSON body. Without it the body is left to the handler as a stream. */
  body?: Body;
  /** Bytes that the JSON body may have; 100 kB unless told. */
  bodyLimit?: number;
  /** Status of the JSON answer; 200 unless told. */
  status?: number;
  answer?: z.ZodType;
  handle(call: Call<z.output<Params>, z.output<Query>, z.output<Body>>): Promise<unknown> | unknown;
}

/** Answered by a handler that wrote the response itself. */
export const STREAMED = Symbol('streamed');

/** Declares a route with its types inferred from its schemas. */
export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  declared: Route<P, Q, B>,
): Route {
  return declared as unknown as Route;
}
