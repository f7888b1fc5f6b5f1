import { gitWords, saysDamaged } from '@reprise/server/git/fault.ts';
import { expect, test } from 'vitest';

test("git's own words are kept, its notices, colours and line breaks are not", () => {
  const stderr = [
    'POST git-upload-pack (gzip 1 to 2 bytes)',
    'From https://host/x',
    ' = [up to date]      main       -> main',
    ' * [new branch]      a          -> a',
    'remote: Counting objects: 100% (3/3), done.\rremote: \x1b[31mRepository not found.\x1b[0m',
    "fatal: repository 'https://host/x/' not found",
  ].join('\n');
  expect(gitWords(stderr)).toBe(
    "remote: Repository not found. fatal: repository 'https://host/x/' not found",
  );
});

test('no credential stays in them', () => {
  const words = gitWords(
    "fatal: unable to access 'https://bob:hunter2@host/x/': header s3cr3t, key /data/mirrors/.keys/abc: denied",
    ['s3cr3t', '/data/mirrors/.keys/abc', ''],
  );
  expect(words).toBe("fatal: unable to access 'https://host/x/': header [redacted], key [redacted]: denied");
});

test('an upstream cannot fill a page', () => {
  expect(gitWords(`remote: ${'x'.repeat(100_000)}`).length).toBeLessThan(1000);
});

test.each([
  'fatal: bad object refs/heads/main',
  'error: object file objects/12/34 is empty',
  'fatal: loose object 1234567 (stored in objects/12/34) is corrupt',
  'error: packfile ./objects/pack/pack-1.pack cannot be accessed',
  'error: inflate: data stream error (incorrect header check)',
  `error: Could not read ${'a'.repeat(40)}`,
  'fatal: Failed to traverse parents of commit 1234',
  "fatal: not a git repository: '/data/mirrors/a.git'",
])('%j is damage of the mirror', (line) => {
  expect(saysDamaged(`From x\n${line}\n`)).toBe(true);
});

test.each([
  "fatal: could not read Username for 'https://host': terminal prompts disabled",
  'fatal: Could not read from remote repository.',
  "fatal: '/srv/x' does not appear to be a git repository",
  'fatal: unable to find remote helper for ext',
  "error: unable to read askpass response from '/bin/false'",
  'remote: fatal: bad object 1234',
  'fatal: remote error: upload-pack: not our ref 1234',
  "fatal: couldn't find remote ref refs/heads/gone",
  'error: object 1234: zeroPaddedFilemode: contains zero-padded file modes\nfatal: fsck error in packed object',
  'ssh: connect to host x port 22: Connection refused',
])('%j is not', (line) => {
  expect(saysDamaged(`${line}\n`)).toBe(false);
});
