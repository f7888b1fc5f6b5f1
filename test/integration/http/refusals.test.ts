import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from '../../rig/reprise.ts';

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig[Symbol.asyncDispose]());

const JSON_BODY = { 'content-type': 'application/json' };

test('an address that can do other things answers a wrong method 405 with what it can', async () => {
  const response = await rig.fetch('/api/projects', { method: 'PUT', headers: JSON_BODY, body: '{}' });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET, HEAD, POST');
  expect(await response.json()).toMatchObject({ code: 'method-not-allowed' });
  // Not confused by an address of which another is a special case.
  expect((await rig.fetch('/api/projects/none/builds/latest')).status).toBe(404);
});

test.each([
  ['GET', '/api/projects/shop/builds/1/artifacts/a.tar.gz/provenance'],
  ['GET', '/metrics'],
])('%s %s belongs to a later version, and says so', async (method, path) => {
  const response = await rig.fetch(path, { method });
  expect(response.status).toBe(501);
  expect(await response.json()).toMatchObject({
    code: 'not-supported',
    detail: expect.stringContaining('not supported by this version'),
  });
});

test('what is missing or of the wrong kind is said in words', async () => {
  const response = await rig.fetch('/api/runners', {
    method: 'POST',
    headers: JSON_BODY,
    body: '{"labels": "linux"}',
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    errors: [
      { field: 'name', message: 'is missing, and must be text' },
      { field: 'labels', message: 'must be a list' },
    ],
  });
});
