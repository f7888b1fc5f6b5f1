import { parseCommit } from '@reprise/server/git/commit-object.ts';
import { expect, test } from 'vitest';

const SHA = '1'.repeat(40);
const parse = (text: string | Buffer) => parseCommit(SHA, Buffer.from(text));

test('a commit is read with its parents, people, time and message', () => {
  const facts = parse(
    `tree ${'2'.repeat(40)}\nparent ${'3'.repeat(40)}\nparent ${'4'.repeat(40)}\n` +
      'author Ada Lovelace <ada@example.test> 1767225600 +0000\n' +
      'committer Charles <charles@example.test> 1767229200 -0800\n' +
      'gpgsig -----BEGIN PGP SIGNATURE-----\n author Mallory <m@example.test> 1 +0000\n -----END PGP SIGNATURE-----\n' +
      '\nFix the engine\n\nparent of all evil\n',
  );
  expect(facts).toEqual({
    sha: SHA,
    committerTime: 1_767_229_200,
    subject: 'Fix the engine',
    message: 'Fix the engine\n\nparent of all evil',
    authorName: 'Ada Lovelace',
    authorEmail: 'ada@example.test',
    parents: ['3'.repeat(40), '4'.repeat(40)],
  });
});

test.each([
  ['author Ada <a@b> 1 +0000', 'Ada', 'a@b'],
  ['author <a@b> 1 +0000', '', 'a@b'],
  ['author Ada <> 1 +0000', 'Ada', ''],
  ['author Ada > <x> <a@b> 1 +0000', 'Ada >', 'x> <a@b'],
  ['author Ada', 'Ada', ''],
  ['author', '', ''],
])('an odd author line is read as far as it goes: %j', (line, name, email) => {
  const facts = parse(`tree x\n${line}\ncommitter\n\nm`);
  expect([facts.authorName, facts.authorEmail, facts.committerTime]).toEqual([name, email, 0]);
});

test('a commit without a message, or a body, is no fault', () => {
  expect(parse('tree x\nauthor A <a> 5 +0000\ncommitter A <a> 5 +0000\n\n').message).toBe('');
  expect(parse('tree x').subject).toBe('');
});

test('a message in a named encoding is decoded, an unknown one still shown', () => {
  const raw = (name: string) =>
    Buffer.from(
      `tree x\nauthor J\xf6rg <j> 5 +0000\ncommitter J <j> 5 +0000\nencoding ${name}\n\nGr\xfc\xdfe\n`,
      'latin1',
    );
  expect(parse(raw('ISO-8859-1'))).toMatchObject({ authorName: 'Jörg', subject: 'Grüße' });
  expect(parse(raw('x-unheard-of'))).toMatchObject({ authorName: 'Jörg', subject: 'Grüße' });
});

test('hostile bytes stay what they are', () => {
  const message = '\u202e<script>\x1b[31m`id` $(id)';
  expect(parse(`tree x\nauthor A <a> 5 +0000\ncommitter A <a> 5 +0000\n\n${message}`).subject).toBe(message);
});
