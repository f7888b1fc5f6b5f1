import { createHash } from 'node:crypto';
import { GITHUB_HOST_KEYS } from '@reprise/server/git/known-hosts.ts';
import { expect, test } from 'vitest';

test('the built-in host keys have the fingerprints that GitHub publishes', () => {
  const fingerprints = GITHUB_HOST_KEYS.map((line) => {
    const [host, type, key = ''] = line.split(' ');
    const digest = createHash('sha256')
      .update(Buffer.from(key, 'base64'))
      .digest('base64')
      .replace(/=+$/, '');
    return `${host} ${type} SHA256:${digest}`;
  });
  expect(fingerprints).toEqual([
    'github.com ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU',
    'github.com ecdsa-sha2-nistp256 SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM',
    'github.com ssh-rsa SHA256:uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s',
  ]);
});
