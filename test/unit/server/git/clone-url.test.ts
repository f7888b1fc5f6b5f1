import { githubName, parseCloneUrl } from '@reprise/server/git/clone-url.ts';
import { describe, expect, test } from 'vitest';

const ALL = ['https', 'http', 'ssh', 'file'];

test.each([
  [
    'https://github.com/acme/shop.git',
    { protocol: 'https', host: 'github.com', port: null, path: '/acme/shop.git' },
  ],
  ['https://git.example:8443/a/b', { protocol: 'https', host: 'git.example', port: 8443, path: '/a/b' }],
  ['http://[::1]:3000/a', { protocol: 'http', host: '[::1]', port: 3000, path: '/a' }],
  [
    'ssh://git@git.example:2222/srv/a.git',
    { protocol: 'ssh', host: 'git.example', port: 2222, path: '/srv/a.git' },
  ],
  [
    'git@github.com:acme/shop.git',
    { protocol: 'ssh', host: 'github.com', port: null, path: 'acme/shop.git' },
  ],
  ['git.example:shop', { protocol: 'ssh', host: 'git.example', port: null, path: 'shop' }],
  ['file:///srv/git/shop.git', { protocol: 'file', host: '', port: null, path: '/srv/git/shop.git' }],
  ['/srv/git/shop.git', { protocol: 'file', host: '', port: null, path: '/srv/git/shop.git' }],
])('%s is understood', (text, url) => {
  expect(parseCloneUrl(text, ALL)).toEqual({ url, problem: null });
});

test.each([
  ['--upload-pack=touch /tmp/x', /space|dash/],
  ['-oProxyCommand=id', /dash/],
  ['ext::sh -c id', /space|helper/],
  ['ext::sh%20-c%20id', /helper/],
  ['fd::7', /helper/],
  ['https://github.com/a/b\n--upload-pack=id', /line break/],
  ['https://github.com/a\0b', /control character/],
  ['ssh://-oProxyCommand=id/x', /host name|well-formed/],
  ['ssh://-oProxyCommand=id@host/x', /host name/],
  ['-oProxyCommand=id:x', /dash/],
  ['git@-host:x', /understood/],
  ['git@host:-x', /understood/],
  ['git@host:', /understood/],
  ['shop', /understood/],
  ['./shop', /understood/],
  ['../shop', /understood/],
  ['ftp://host/x', /ftp, which is not supported/],
  ['git://host/x', /git, which is not supported/],
  ['https://', /well-formed/],
  ['https://host', /names no repository/],
  ['https://host/x?a=1', /query/],
  ['https://host/x#y', /fragment/],
  ['/srv/../etc', /"\.\."/],
  ['file://host/x', /names a host/],
  [`https://host/${'x'.repeat(2048)}`, /longer than/],
])('%j is refused before git sees it', (text, problem) => {
  const parsed = parseCloneUrl(text, ALL);
  expect(parsed.url).toBeNull();
  expect(parsed.problem).toMatch(problem);
});

describe('credentials in an address', () => {
  test.each(['https://token@github.com/a/b', 'https://user:secret@host/x', 'ssh://git:secret@host/x'])(
    '%s is refused, and the sentence does not repeat it',
    (text) => {
      const { problem } = parseCloneUrl(text, ALL);
      expect(problem).toMatch(/carries credentials.*"credential"/);
      expect(problem).not.toMatch(/token@|secret@/);
    },
  );
});

test('only the transports that the operator lists are used', () => {
  for (const text of ['/srv/a', 'file:///srv/a', 'http://host/a'])
    expect(parseCloneUrl(text, ['https', 'ssh']).problem).toMatch(/REPRISE_GIT_PROTOCOLS/);
  expect(parseCloneUrl('git@host:a', ['https']).problem).toMatch(/does not fetch over ssh/);
});

test.each([
  ['https://github.com/acme/shop.git', 'acme/shop'],
  ['https://www.github.com/acme/shop/', 'acme/shop'],
  ['git@github.com:Acme/Shop.git', 'Acme/Shop'],
  ['ssh://git@ssh.github.com:443/acme/shop.git', 'acme/shop'],
  ['https://github.com.evil.example/acme/shop', null],
  ['https://github.com/acme', null],
  ['https://github.com/acme/shop/tree', null],
  ['/github.com/acme/shop', null],
])('of %s the name at GitHub is %s', (text, name) => {
  const { url } = parseCloneUrl(text, ALL);
  expect(url && githubName(url)).toBe(name);
});
