import { argon2Sync } from 'node:crypto';
import { HashLine, hashPassword, verifyPassword } from '@reprise/server/auth/password.ts';
import { expect, test } from 'vitest';

test('a password is kept as argon2id with 19 MiB, two passes and one lane, in PHC string format', async () => {
  const stored = await hashPassword('correct horse battery staple');
  const [, algorithm, version, cost, salt = '', tag = ''] = stored.split('$');
  expect([algorithm, version, cost]).toEqual(['argon2id', 'v=19', 'm=19456,t=2,p=1']);
  const again = argon2Sync('argon2id', {
    message: 'correct horse battery staple',
    nonce: Buffer.from(salt, 'base64'),
    memory: 19_456,
    passes: 2,
    parallelism: 1,
    tagLength: 32,
  });
  expect(again.toString('base64').replace(/=+$/, '')).toBe(tag);
  expect(Buffer.from(salt, 'base64')).toHaveLength(16);
});

test('the same password is never kept as the same text twice', async () => {
  expect(await hashPassword('twelve chars')).not.toBe(await hashPassword('twelve chars'));
});

test.each([
  ['itself', 'Grüße aus Köln!', true],
  ['itself, typed with combining characters', 'Grüße aus Köln!'.normalize('NFD'), true],
  ['another', 'Grüsse aus Köln!', false],
  ['nothing', '', false],
])('a password is compared with %s', async (_name, given, expected) => {
  expect(await verifyPassword(await hashPassword('Grüße aus Köln!'), given)).toBe(expected);
});

test('what is stored by argon2 elsewhere, with another cost, is verified with that cost', async () => {
  const salt = Buffer.from('somesaltsomesalt');
  const tag = argon2Sync('argon2id', {
    message: 'moved house',
    nonce: salt,
    memory: 8192,
    passes: 3,
    parallelism: 2,
    tagLength: 24,
  });
  const text = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const stored = `$argon2id$v=19$m=8192,t=3,p=2$${text(salt)}$${text(tag)}`;
  expect(await verifyPassword(stored, 'moved house')).toBe(true);
  expect(await verifyPassword(stored, 'moved horse')).toBe(false);
});

test('nobody’s password is never right', async () => {
  expect(await verifyPassword(null, '')).toBe(false);
});

test('two hashes are made at once, in the order they were asked for, whether or not one fails', async () => {
  const line = new HashLine();
  const begun: number[] = [];
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const all = gates.map((gate, at) =>
    line.run(async () => {
      begun.push(at);
      await gate.promise;
    }),
  );
  const failed = expect(all[0]).rejects.toThrow('broken');
  expect(begun).toEqual([0, 1]);
  gates[0]?.reject(new Error('broken'));
  await failed;
  expect(begun).toEqual([0, 1, 2]);
  for (const gate of gates) gate.resolve();
  await Promise.all(all.slice(1));
  expect(begun).toEqual([0, 1, 2, 3, 4]);
});

test('a line that is too long is refused 503 with when to come back, and empties', async () => {
  const line = new HashLine();
  const gate = Promise.withResolvers<void>();
  const accepted = Array.from({ length: 2 + 256 }, () => line.run(() => gate.promise));
  await expect(line.run(async () => {})).rejects.toMatchObject({ status: 503, extra: { retryAfter: 5 } });
  gate.resolve();
  await Promise.all(accepted);
  expect(await line.run(async () => 'free')).toBe('free');
});
