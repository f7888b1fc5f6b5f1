import { readFileSync } from 'node:fs';
import { pipelineJsonSchema } from '@reprise/pipelines/json-schema.ts';
import { TEMPLATES, templateUrl } from '@reprise/pipelines/template.ts';
import { readYaml } from '@reprise/pipelines/yaml.ts';
import { expect, test } from 'vitest';
import { z } from 'zod';

const schema = pipelineJsonSchema();
const judged = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);

test('the schema says which dialect and which document it is', () => {
  expect(schema).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'urn:reprise:pipeline:1',
    required: ['version', 'jobs'],
    additionalProperties: false,
  });
});

test('every key of a job and a step has a description for editors', () => {
  const job = at(schema, 'properties', 'jobs', 'additionalProperties');
  const step = at(job, 'properties', 'steps', 'items');
  for (const section of [job, step]) {
    for (const [key, value] of Object.entries(at(section, 'properties'))) {
      expect(value, key).toHaveProperty('description');
    }
  }
});

test.each([new URL('./shop.yml', import.meta.url), ...TEMPLATES.map(templateUrl)])('it accepts %s', (url) => {
  expect(judged.safeParse(dataOf(readFileSync(url, 'utf8'))).error?.issues).toBeUndefined();
});

test.each([
  'jobs: {a: {steps: [{run: x}]}}',
  'version: 1\njobs: {A: {steps: [{run: x}]}}',
  'version: 1\njobs: {a: {steps: []}}',
  'version: 1\njobs: {a: {steps: [{run: x, rum: y}]}}',
  'version: 1\njobs: {a: {timeout: 20, steps: [{run: x}]}}',
  'version: 1\nenv: {1A: x}\njobs: {a: {steps: [{run: x}]}}',
])('it refuses %j', (text) => {
  expect(judged.safeParse(dataOf(text)).success).toBe(false);
});

function at(value: unknown, ...path: string[]): Record<string, unknown> {
  return path.reduce((inner, key) => (inner as Record<string, unknown>)[key], value) as Record<
    string,
    unknown
  >;
}

function dataOf(text: string): unknown {
  return readYaml(text).file?.value;
}
