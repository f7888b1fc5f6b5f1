import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServerHere } from '../../rig/server-here.ts';

let here: ServerHere;
beforeAll(async () => {
  here = await ServerHere.start();
});
afterAll(() => here[Symbol.asyncDispose]());

test.each(['/', '/projects/shop/builds/12', '/projects/a.name.with.dots', '/audit?actor=ada'])(
  'the one document is sent for the page %s',
  async (path) => {
    const response = await fetch(here.address + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html;charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(await response.text()).toContain('<title>Reprise</title>');
  },
);

test('the policy names every inline script by its digest and allows nothing else inline', async () => {
  const response = await fetch(`${here.address}/`);
  const policy = response.headers.get('content-security-policy') ?? '';
  const scripts = [...(await response.text()).matchAll(/<script>([\s\S]*?)<\/script>/g)];
  expect(scripts.length).toBeGreaterThan(0);
  for (const [, script = ''] of scripts) {
    expect(policy).toContain(`'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  }
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/unsafe|data:.*script|\*/);
});

test('the page comes with the headers that keep others out', async () => {
  const { headers } = await fetch(`${here.address}/`);
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('referrer-policy')).toBe('same-origin');
  expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
  expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
  expect(headers.get('permissions-policy')).toContain('camera=()');
  expect(headers.has('x-powered-by')).toBe(false);
  expect(headers.has('access-control-allow-origin')).toBe(false);
});

test('with a page are named the files that belong to it, and what it asks first', async () => {
  const linksOf = async (path: string) => {
    const { headers } = await fetch(here.address + path);
    return [...(headers.get('link') ?? '').matchAll(/<([^>]+)>; rel=(\w+)/g)].map(([, at = '', rel]) => ({
      at,
      rel,
    }));
  };
  const build = await linksOf('/projects/a%20b/builds/12');
  const asked = build.filter(({ at }) => at.startsWith('/api/')).map(({ at }) => at);
  expect(asked).toEqual(['/api/projects/a%20b/builds/12', '/api/projects/a%20b']);
  expect(build.some(({ rel }) => rel === 'modulepreload')).toBe(true);
  for (const { at } of build.filter((link) => link.at.startsWith('/_app/')))
    expect((await fetch(here.address + at)).status, at).toBe(200);
  expect(await linksOf('/projects/new')).not.toEqual(await linksOf('/projects/newer'));
  expect(await linksOf('/projects/%3Ca,b%3E;x')).toEqual([]);
  expect(await linksOf('/no/such/page')).toEqual([]);
});

test('files named by their content are kept for good and sent as they were compressed', async () => {
  const html = await (await fetch(`${here.address}/`)).text();
  const [file = ''] = /\/_app\/immutable\/entry\/start\.[^"]+\.js/.exec(html) ?? [];
  const plain = await fetch(here.address + file, { headers: { 'accept-encoding': 'identity' } });
  expect(plain.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  expect(plain.headers.get('content-type')).toMatch(/^text\/javascript/);
  const zipped = await fetch(here.address + file, { headers: { 'accept-encoding': 'gzip' } });
  expect(zipped.headers.get('content-encoding')).toBe('gzip');
  expect(Buffer.from(await zipped.arrayBuffer()).equals(Buffer.from(await plain.arrayBuffer()))).toBe(true);
});

test.each(['/api/nothing', '/webhooks/elsewhere', '/git/x', '/_app/immutable/none.js', '/socket.io/none'])(
  '%s, which is no page, is not answered with one',
  async (path) => {
    const response = await fetch(here.address + path);
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await response.text()).not.toContain('<html');
  },
);

test('no path leads out of the built page', async () => {
  for (const path of [
    '/_app/../../package.json',
    '/_app/%2e%2e/%2e%2e/package.json',
    '/icons/..%2f..%2fpackage.json',
  ]) {
    const response = await fetch(here.address + path);
    expect(await response.text()).not.toContain('"dependencies"');
  }
});

test('a page is only read: other methods are refused', async () => {
  const response = await fetch(`${here.address}/projects/shop`, { method: 'POST' });
  expect(response.status).toBe(404);
});
