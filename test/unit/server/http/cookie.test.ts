import { isLoopback, isSecure, sessionCookieOf, sessionKeyOf } from '@reprise/server/http/cookie.ts';
import { expect, test } from 'vitest';

test.each([
  [undefined, null],
  ['', null],
  ['theme=dark', null],
  ['reprise=rps_a', { key: 'rps_a', isVouchedFor: false }],
  ['__Host-reprise=rps_a', { key: 'rps_a', isVouchedFor: true }],
  ['reprise=rps_planted; __Host-reprise=rps_a', { key: 'rps_a', isVouchedFor: true }],
  ['xreprise=rps_a; Reprise=rps_b', null],
  [`reprise=${'a'.repeat(513)}`, null],
])('the cookies %j show the session %j', (cookie, expected) => {
  expect(sessionCookieOf({ cookie })).toEqual(expected);
  expect(sessionKeyOf({ cookie })).toBe(expected?.key ?? null);
});

test('what is reached by TLS at a proxy or by its public address is secure', () => {
  expect(isSecure({ secure: true }, { url: null })).toBe(true);
  expect(isSecure({ secure: false }, { url: 'https://ci.example' })).toBe(true);
  expect(isSecure({ secure: false }, { url: 'http://localhost:4000' })).toBe(false);
  expect(isSecure({ secure: false }, { url: null })).toBe(false);
});

test.each([
  ['127.0.0.1', 'localhost:4000', true],
  ['::ffff:127.0.0.1', '127.0.0.1:4000', true],
  ['::1', '[::1]:4000', true],
  ['127.0.0.1', 'ci.example', false],
  ['10.0.0.7', 'localhost:4000', false],
  ['127.0.0.1', 'localhost.evil.example', false],
  ['127.0.0.1', '127.0.0.1.evil.example', false],
  ['127.0.0.1', undefined, false],
])('a connection from %s that asks for %s stays on the machine: %s', (remoteAddress, host, expected) => {
  const request = { socket: { remoteAddress }, headers: { host } };
  expect(isLoopback(request as Parameters<typeof isLoopback>[0])).toBe(expected);
});
