import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import { problemBody } from './problem.ts';
import type { Route } from './route.ts';

/** The OpenAPI 3.1 document of every route that has a summary, made from the declarations that the server itself obeys. */
export function openApiDocument(routes: readonly Route[], version: string): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    if (route.summary === null) continue;
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Reprise',
      version,
      description:
        'Builds commits and keeps what came of it. Times are ISO 8601 UTC; lists are {items, next}, newest first; ' +
        'errors are RFC 9457 problem details with a stable code.',
    },
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  });
}

function operation(route: Route): ZodOpenApiOperationObject {
  const status = String(route.status ?? (route.answer ? 200 : 204)) as `${1 | 2 | 3 | 4 | 5}${string}`;
  return {
    summary: route.summary ?? '',
    'x-policy': route.policy,
    security: route.policy === 'public' ? [] : [{ bearer: [] }],
    requestParams: {
      ...(route.params instanceof z.ZodObject ? { path: route.params } : {}),
      ...(route.query instanceof z.ZodObject ? { query: route.query } : {}),
    },
    ...(route.body ? { requestBody: { content: { 'application/json': { schema: route.body } } } } : {}),
    responses: {
      [status]: {
        description: 'Done.',
        ...(route.answer ? { content: { 'application/json': { schema: route.answer } } } : {}),
      },
      default: {
        description: 'A refusal or a fault.',
        content: { 'application/problem+json': { schema: problemBody } },
      },
    },
  };
}
