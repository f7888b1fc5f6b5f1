import {
  githubFrom,
  httpsAddress,
  isOverSsh,
  nameFrom,
  sshAddress,
} from '@reprise/ui/projects/repository.ts';
import { describe, expect, test } from 'vitest';

describe('a project is named after its clone address', () => {
  const NAMES: [string, string][] = [
    ['https://github.com/example/shop.git', 'shop'],
    ['https://github.com/example/shop', 'shop'],
    ['https://github.com/example/Shop.GIT/', 'shop'],
    ['git@github.com:example/web-shop.git', 'web-shop'],
    ['shop@host:shop.git', 'shop'],
    ['ssh://git@host:2222/deep/er/My Shop.git', 'my-shop'],
    ['file:///srv/git/shop.git', 'shop'],
    ['/srv/git/_private', 'private'],
    ['https://host/ex/Ünïcode!', 'n-code'],
    [`https://host/${'a'.repeat(80)}`, 'a'.repeat(63)],
    ['', ''],
    ['https://host/---', ''],
  ];
  test.each(NAMES)('%s: %s', (address, name) => expect(nameFrom(address)).toBe(name));

  test('always as a name may be', () => {
    for (const [address] of NAMES) expect(nameFrom(address)).toMatch(/^([a-z0-9][a-z0-9._-]{0,62})?$/);
  });
});

describe('the repository at GitHub is read from the address', () => {
  test.each([
    ['https://github.com/example/shop.git', 'example/shop'],
    ['https://www.github.com/example/shop/', 'example/shop'],
    ['git@github.com:example/shop.git', 'example/shop'],
    ['ssh://git@github.com/example/shop', 'example/shop'],
    ['ssh://git@ssh.github.com:443/example/shop.git', 'example/shop'],
    ['https://gitlab.com/example/shop', null],
    ['https://github.com.evil.test/example/shop', null],
    ['https://github.com/example', null],
    ['https://github.com/example/shop/tree/main', null],
    ['file:///srv/github.com/example/shop', null],
  ])('%s: %s', (address, github) => expect(githubFrom(address)).toBe(github));
});

test('a deploy key needs an address over SSH and a token one over HTTPS; GitHub has both for every repository', () => {
  expect(isOverSsh('https://github.com/example/shop')).toBe(false);
  expect(isOverSsh('/srv/git/shop')).toBe(false);
  expect(isOverSsh('git@github.com:example/shop.git')).toBe(true);
  expect(isOverSsh(sshAddress('example/shop'))).toBe(true);
  expect(isOverSsh(httpsAddress('example/shop'))).toBe(false);
  expect(githubFrom(sshAddress('example/shop'))).toBe('example/shop');
  expect(githubFrom(httpsAddress('example/shop'))).toBe('example/shop');
});
