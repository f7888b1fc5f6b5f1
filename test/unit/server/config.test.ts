import { parseServerConfig } from '@reprise/server/config.ts';
import { expect, test } from 'vitest';

const APP = { REPRISE_GITHUB_CLIENT_ID: 'client', REPRISE_GITHUB_CLIENT_SECRET: 'secret' };

test.each([
  [{}, 'https://github.com', 'https://api.github.com'],
  [{ REPRISE_GITHUB_URL: 'https://github.com/' }, 'https://github.com', 'https://api.github.com'],
  [
    { REPRISE_GITHUB_URL: 'https://git.example.com' },
    'https://git.example.com',
    'https://git.example.com/api/v3',
  ],
  [{ REPRISE_GITHUB_URL: 'http://127.0.0.1:9' }, 'http://127.0.0.1:9', 'http://127.0.0.1:9/api/v3'],
])('where people sign in with %j', (env, url, apiUrl) => {
  const { config, problems } = parseServerConfig({ ...APP, ...env });
  expect(problems).toEqual([]);
  expect(config?.github).toMatchObject({ clientId: 'client', url, apiUrl });
  expect(JSON.stringify(config)).not.toContain('"secret"');
});

test('without an app there is no signing in with GitHub', () => {
  expect(parseServerConfig({}).config?.github).toBeNull();
});

test.each([
  [{ REPRISE_GITHUB_CLIENT_ID: 'client' }, 'needed together'],
  [{ REPRISE_GITHUB_CLIENT_SECRET: 'secret' }, 'needed together'],
  [{ ...APP, REPRISE_GITHUB_URL: 'http://git.example.com' }, 'REPRISE_GITHUB_URL must be an https address'],
  [{ ...APP, REPRISE_GITHUB_URL: 'http://localhost.evil.example' }, 'must be an https address'],
])('the settings %j are refused', (env, sentence) => {
  const { config, problems } = parseServerConfig(env);
  expect(config).toBeNull();
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(sentence);
});

test.each([
  [undefined, 86_400_000],
  ['90m', 5_400_000],
  ['0', 0],
])('a queue time-out of %s', (value, ms) => {
  expect(parseServerConfig({ REPRISE_QUEUE_TIMEOUT: value }).config?.queueTimeoutMs).toBe(ms);
});

test('a queue time-out that is no duration is a problem', () => {
  const { problems } = parseServerConfig({ REPRISE_QUEUE_TIMEOUT: 'a day' });
  expect(problems).toEqual([expect.stringContaining('REPRISE_QUEUE_TIMEOUT must be a duration such as 24h')]);
});
