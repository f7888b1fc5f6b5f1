import { isOwnOrigin } from '@reprise/server/http/origin.ts';
import { expect, test } from 'vitest';

test.each([
  [undefined, 'ci.example', true],
  ['https://ci.example', 'ci.example', true],
  ['https://ci.example', 'a-name-behind-the-proxy', true],
  ['http://localhost:4000', 'localhost:4000', true],
  ['http://127.0.0.1:4000', '127.0.0.1:4000', true],
  ['http://[::1]:4000', '[::1]:4000', true],
  ['http://ci.example', 'ci.example', false],
  ['http://10.0.0.7:4000', '10.0.0.7:4000', false],
  ['http://127.0.0.1.evil.example', '127.0.0.1.evil.example', false],
  ['http://localhost:4001', 'localhost:4000', false],
  ['https://ci.example:444', 'ci.example', false],
  ['https://CI.example', 'ci.example', false],
  ['https://ci.example.evil.example', 'ci.example', false],
  ['https://evil.example', 'ci.example', false],
  ['https://ci.example@evil.example', 'ci.example', false],
  ['null', 'ci.example', false],
  ['', 'ci.example', false],
  ['http://', '', false],
])('behind TLS, a page of origin %s at host %s is ours: %s', (origin, host, expected) => {
  expect(isOwnOrigin({ headers: { origin, host } }, 'https://ci.example/reprise')).toBe(expected);
});

test.each([
  ['http://10.0.0.7:4000', '10.0.0.7:4000', true],
  ['http://10.0.0.8:4000', '10.0.0.7:4000', false],
  ['https://ci.example', 'ci.example', true],
])(
  'without a public address by TLS, a page of origin %s at host %s is ours: %s',
  (origin, host, expected) => {
    expect(isOwnOrigin({ headers: { origin, host } }, 'http://0.0.0.0:4000')).toBe(expected);
  },
);
