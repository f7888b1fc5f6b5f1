import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { Secret } from '@reprise/server/secret.ts';
import { purposes, Vault } from '@reprise/server/vault.ts';
import { expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';

const KEY = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';

test('what is sealed opens again for the same purpose, also after a restart', () => {
  using dir = tempDir();
  const sealed = Vault.open(dir.path, null).seal('hunter2 ✓', 'project/1/credential');
  expect(Vault.open(dir.path, null).open(sealed, 'project/1/credential')).toBe('hunter2 ✓');
});

test('the key file is made once, readable by its owner only', () => {
  using dir = tempDir();
  Vault.open(dir.path, null);
  const key = readFileSync(dir.join('secret.key'), 'utf8');
  Vault.open(dir.path, null);
  expect(statSync(dir.join('secret.key')).mode & 0o777).toBe(0o400);
  expect(key).toMatch(/^[0-9a-f]{64}\n$/);
  expect(readFileSync(dir.join('secret.key'), 'utf8')).toBe(key);
});

test('a sealed text shows nothing of the plain one and is never the same twice', () => {
  using dir = tempDir();
  const vault = Vault.open(dir.path, null);
  const [one, other] = [vault.seal('a-token', 'p'), vault.seal('a-token', 'p')];
  expect(one).not.toBe(other);
  expect(one).toMatch(/^v1\.[A-Za-z0-9_-]+$/);
  expect(Buffer.from(one.slice(3), 'base64url').toString('latin1')).not.toContain('a-token');
});

test('a sealed text does not open for another purpose, nor when a single bit of it was changed', () => {
  using dir = tempDir();
  const vault = Vault.open(dir.path, null);
  const sealed = vault.seal('a-token', purposes.credential('a'));
  expect(() => vault.open(sealed, purposes.credential('b'))).toThrow(/does not open/);
  expect(() => vault.open(sealed, purposes.webhookSecret('a'))).toThrow(/does not open/);
  const bytes = Buffer.from(sealed.slice(3), 'base64url');
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => vault.open(`v1.${changed.toString('base64url')}`, purposes.credential('a'))).toThrow();
  }
  expect(() => vault.open('v1.', purposes.credential('a'))).toThrow(/does not open/);
});

test('a given key wins over the file, in either notation', () => {
  using dir = tempDir();
  const hex = Vault.open(dir.path, new Secret(KEY));
  const base64 = Vault.open(dir.path, new Secret(Buffer.from(KEY, 'hex').toString('base64')));
  expect(base64.open(hex.seal('x', 'p'), 'p')).toBe('x');
  expect(() => statSync(dir.join('secret.key'))).toThrow();
});

test('another key says what to put back', () => {
  using dir = tempDir();
  const sealed = Vault.open(dir.path, null).seal('x', 'p');
  const other = Vault.open(dir.path, new Secret(KEY));
  expect(() => other.open(sealed, 'p')).toThrow(/secret\.key of this data directory .* REPRISE_SECRET_KEY/);
});

test.each(['', 'short', `${KEY}00`, 'z'.repeat(64)])('what is no key is refused: %j', (text) => {
  using dir = tempDir();
  expect(() => Vault.open(dir.path, new Secret(text))).toThrow(/REPRISE_SECRET_KEY is not a key/);
  writeFileSync(dir.join('secret.key'), text);
  expect(() => Vault.open(dir.path, null)).toThrow(/secret\.key is not a key/);
});

test('a text sealed by a later version says so', () => {
  using dir = tempDir();
  expect(() => Vault.open(dir.path, null).open('v9.AAAA', 'p')).toThrow(/newer Reprise/);
});

test('a code over a text holds for its purpose, its text and its key only, and lasts over a restart', () => {
  using dir = tempDir();
  const code = Vault.open(dir.path, null).mac('a session', 'csrf');
  expect(code).toMatch(/^[\w-]{43}$/);
  expect(Vault.open(dir.path, null).mac('a session', 'csrf')).toBe(code);
  const others = [
    Vault.open(dir.path, null).mac('a session', 'another'),
    Vault.open(dir.path, null).mac('another', 'csrf'),
    Vault.open(dir.path, new Secret(KEY)).mac('a session', 'csrf'),
  ];
  expect(others).not.toContain(code);
});
