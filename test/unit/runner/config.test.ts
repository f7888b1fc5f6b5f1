import { inspect } from 'node:util';
import { DEFAULT_STEP_PATH, parseRunnerConfig } from '@reprise/runner/config.ts';
import { describe, expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';

const NEEDED = { REPRISE_SERVER: 'http://127.0.0.1:4000/', REPRISE_RUNNER_TOKEN: 'rpr_token' };
const parse = (env: NodeJS.ProcessEnv) => parseRunnerConfig({ ...NEEDED, ...env });

describe("the runner's settings", () => {
  test('need the address and the token only', () => {
    const { config, warnings } = parse({});
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      server: 'http://127.0.0.1:4000',
      labels: null,
      capacity: 1,
      sandbox: 'auto',
      stepEnv: {},
      stepMounts: [],
      stepPath: DEFAULT_STEP_PATH,
      minFreeDisk: 1024 ** 3,
    });
    expect(config?.token()).toBe('rpr_token');
    expect(Object.isFrozen(config)).toBe(true);
  });

  test('do not show the token when they are printed', () => {
    const { config } = parse({});
    expect(inspect(config) + JSON.stringify(config)).not.toContain('rpr_token');
  });

  test('report all problems together', () => {
    const { config, problems } = parseRunnerConfig({
      REPRISE_SERVER: 'ftp://x',
      REPRISE_CAPACITY: 'many',
      REPRISE_LABELS: 'linux, GPU',
      REPRISE_SANDBOX: 'none',
      REPRISE_STEP_ENV: 'OK 1NO REPRISE_RUNNER_TOKEN',
      REPRISE_STEP_MOUNTS: 'relative:/does/not/exist',
      REPRISE_STEP_PATH: '/usr/bin:bin',
      REPRISE_MIN_FREE_DISK: 'lots',
    });
    expect(config).toBeNull();
    expect(problems.map((problem) => problem.split(/[ :]/)[0])).toEqual([
      'REPRISE_SERVER',
      'REPRISE_RUNNER_TOKEN',
      'REPRISE_SANDBOX',
      'REPRISE_STEP_MOUNTS',
      'REPRISE_STEP_MOUNTS',
      'REPRISE_STEP_ENV',
      'REPRISE_STEP_ENV',
      'REPRISE_LABELS',
      'REPRISE_CAPACITY',
      'REPRISE_STEP_PATH',
      'REPRISE_MIN_FREE_DISK',
    ]);
  });

  test('warn of an unknown name with the nearest one, and know those of the server', () => {
    const { warnings } = parse({
      REPRISE_LABLES: 'x',
      REPRISE_ADMIN_TOKEN: 'y',
      REPRISE_TEST_TIME_SCALE: '10',
    });
    expect(warnings).toEqual(['REPRISE_LABLES is not a setting of a runner; did you mean REPRISE_LABELS?']);
  });

  test('refuse to show the data directory to steps', () => {
    using dir = tempDir();
    for (const mount of [dir.path, dir.join('data'), '/']) {
      const { problems } = parse({ REPRISE_DATA_DIR: dir.join('data'), REPRISE_STEP_MOUNTS: mount });
      expect(problems).toEqual([expect.stringContaining("would show the runner's own data")]);
    }
  });

  test.each([
    ['500', 500],
    ['10K', 10_240],
    ['1.5GiB', 1.5 * 1024 ** 3],
    ['2gb', 2 * 1024 ** 3],
  ])('take %s as a size', (text, bytes) => {
    expect(parse({ REPRISE_MIN_FREE_DISK: text }).config?.minFreeDisk).toBe(bytes);
  });
});

describe('what steps see of the runner', () => {
  const env = {
    https_proxy: 'http://proxy.test',
    NO_PROXY: 'localhost',
    npm_config_registry: 'https://registry.test',
    npm_config_cache: '/root/.npm',
    npm_lifecycle_event: 'start',
    PATH: '/root/bin',
    HOME: '/root',
    AWS_SECRET_ACCESS_KEY: 'no',
  };

  test('is proxies, registries and certificates by default', () => {
    expect(parse(env).config?.stepEnv).toEqual({
      https_proxy: 'http://proxy.test',
      NO_PROXY: 'localhost',
      npm_config_registry: 'https://registry.test',
    });
  });

  test('is exactly what the operator names', () => {
    const { config } = parse({ ...env, REPRISE_STEP_ENV: 'npm_config_cache, GONE' });
    expect(config?.stepEnv).toEqual({ npm_config_cache: '/root/.npm' });
  });

  test('is a certificate bundle only where steps can read it', () => {
    using dir = tempDir();
    const NODE_EXTRA_CA_CERTS = dir.join('ca.pem');
    expect(parse({ SSL_CERT_DIR: '/usr', NODE_EXTRA_CA_CERTS }).config?.stepEnv).toEqual({
      SSL_CERT_DIR: '/usr',
    });
    expect(parse({ SSL_CERT_DIR: dir.path, REPRISE_STEP_MOUNTS: dir.path }).config?.stepEnv).toEqual({
      SSL_CERT_DIR: dir.path,
    });
  });
});
