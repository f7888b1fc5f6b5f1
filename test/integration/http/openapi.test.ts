import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServerHere } from '../../rig/server-here.ts';

interface Operation {
  summary?: string;
  parameters?: { name: string; in: string }[];
  responses: Record<string, unknown>;
}

interface Described {
  paths: Record<string, Record<string, Operation>>;
  components: object;
}

let here: ServerHere;
let document: Described;

beforeAll(async () => {
  here = await ServerHere.start();
  document = (await (await fetch(`${here.address}/api/openapi.json`)).json()) as Described;
});
afterAll(() => here[Symbol.asyncDispose]());

test('the description has every route but those of the runner protocol', () => {
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  const declared = here.routes
    .filter(({ summary }) => summary !== null)
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  expect(described.sort()).toEqual([...new Set(declared)].sort());
  const silent = here.routes.filter(({ summary }) => summary === null);
  expect(silent.filter(({ path }) => !path.startsWith('/api/runner/'))).toEqual([]);
});

test('every part of a path, and every summary, is described', () => {
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { summary, parameters = [], responses }] of Object.entries(methods)) {
      const inPath = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
      const braced = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(inPath.sort(), `${method} ${path}`).toEqual(braced.sort());
      expect(summary, `${method} ${path}`).toMatch(/\.$/);
      expect(Object.keys(responses).length, `${method} ${path}`).toBeGreaterThan(0);
    }
  }
});

test('everything that is referred to is there', () => {
  const text = JSON.stringify(document);
  const refs = new Set(
    [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/([\w.-]+)"/g)].map(([, , name]) => name),
  );
  expect(refs.size).toBeGreaterThan(10);
  const known = Object.values(document.components).flatMap((group) => Object.keys(group));
  expect([...refs].filter((name) => !known.includes(name ?? ''))).toEqual([]);
  for (const name of ['AuditEntry', 'ProjectPipeline', 'QueueItem', 'Project', 'Runner', 'Ref', 'Commit'])
    expect(known).toContain(name);
});
