import { parseServerConfig } from '@reprise/server/config.ts';
import { parseStorageUrl } from '@reprise/server/storage/storage-url.ts';
import { describe, expect, test } from 'vitest';

describe('STORAGE_URL', () => {
  test('says where, as whom and how', () => {
    const settings = parse(
      's3://k%3Aey:se%2Fcr%2Bet@s3.example.com:9000/artifacts/team/ci?region=eu-1&tls=false',
    );
    expect(settings).toMatchObject({
      endpoint: 'http://s3.example.com:9000',
      region: 'eu-1',
      bucket: 'artifacts',
      prefix: 'team/ci/',
      accessKeyId: 'k:ey',
      pathStyle: true,
      presign: false,
    });
    expect(settings?.secretAccessKey.reveal()).toBe('se/cr+et');
    expect(JSON.stringify(settings)).not.toContain('se/cr+et');
  });

  test('is TLS, us-east-1 and without a prefix unless told', () => {
    expect(parse('s3://key:secret@s3.example.com/artifacts')).toMatchObject({
      endpoint: 'https://s3.example.com',
      region: 'us-east-1',
      prefix: '',
    });
    expect(parse('s3://key:secret@s3.example.com/artifacts?style=virtual&presign=true')).toMatchObject({
      pathStyle: false,
      presign: true,
    });
  });

  test('takes key, secret and region from AWS’s own variables', () => {
    const settings = parse('s3://s3.eu-west-1.amazonaws.com/artifacts', {
      AWS_ACCESS_KEY_ID: 'AKIA',
      AWS_SECRET_ACCESS_KEY: 'a/b+c',
      AWS_SESSION_TOKEN: 'session',
      AWS_REGION: 'eu-west-1',
    });
    expect(settings).toMatchObject({ accessKeyId: 'AKIA', region: 'eu-west-1' });
    expect(settings?.secretAccessKey.reveal()).toBe('a/b+c');
    expect(settings?.sessionToken?.reveal()).toBe('session');
  });

  test.each([
    ['another scheme', 'https://key:hidden@host/bucket', 'must look like s3://'],
    ['a secret with a slash in it', 's3://key:hid/den@host/bucket', 'must look like s3://'],
    ['no bucket', 's3://key:hidden@host', 'must name a bucket'],
    ['a bucket that cannot be one', 's3://key:hidden@host/B', 'must name a bucket'],
    ['a prefix that climbs', 's3://key:hidden@host/bucket/%2E%2E%2Fx', 'may have a prefix'],
    ['no secret', 's3://key@host/bucket', 'needs a key and a secret'],
    ['an unknown option', 's3://key:hidden@host/bucket?secure=1', 'knows no option "secure"'],
    ['an option of another value', 's3://key:hidden@host/bucket?tls=no', 'tls must be true or false'],
  ])('%s is refused, and nothing secret is in the sentence', (_what, url, sentence) => {
    const problems: string[] = [];
    expect(parseStorageUrl(url, {}, problems)).toBe(null);
    expect(problems.join(' ')).toContain(sentence);
    expect(problems.join(' ')).not.toMatch(/hid/);
  });

  test('is one of the server’s settings', () => {
    expect(parseServerConfig({ STORAGE_URL: 's3://k:s@host/bucket' }).config?.storage?.bucket).toBe('bucket');
    expect(parseServerConfig({}).config?.storage).toBe(null);
    expect(parseServerConfig({ STORAGE_URL: 'nowhere' }).problems).toHaveLength(1);
  });
});

function parse(url: string, env: NodeJS.ProcessEnv = {}) {
  const problems: string[] = [];
  const settings = parseStorageUrl(url, env, problems);
  expect(problems).toEqual([]);
  return settings;
}
