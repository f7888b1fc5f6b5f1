import { nextPath } from '@reprise/ui/people/next-path.ts';
import { expect, test } from 'vitest';

const HERE = 'https://ci.example';

test.each([
  ['/projects/shop', '/projects/shop'],
  ['/projects/shop/builds/4?job=test#L12', '/projects/shop/builds/4?job=test#L12'],
  ['/', '/'],
])('a path of this server is gone to: %s', (asked, path) => {
  expect(nextPath(asked, HERE)).toBe(path);
});

test.each([
  null,
  '',
  'projects',
  'https://evil.example/',
  'https://ci.example/projects',
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/\t/evil.example',
  '/\n/evil.example',
  '\t//evil.example',
  '/.//evil.example',
  '/x/..//evil.example',
  '/%2e//evil.example',
  '//evil.example@ci.example/',
  'javascript:alert(1)',
  '/\\/\\evil.example',
  '//[::1',
])('anything else is the start page: %j', (asked) => {
  expect(nextPath(asked, HERE)).toBe('/');
});

test('whatever comes out stays here when a browser reads it', () => {
  const bits = ['/', '\\', '.', '..', '\t', '\n', '@', ':', 'evil.example', '%2f', '?', '#', ' '];
  for (const a of bits)
    for (const b of bits)
      for (const c of bits)
        for (const d of bits) {
          const path = nextPath(`/${a}${b}${c}${d}`, HERE);
          expect(new URL(path, HERE).origin).toBe(HERE);
        }
});
