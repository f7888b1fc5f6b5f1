import { readFileSync } from 'node:fs';
import { parsePipeline } from '@reprise/pipelines/parse.ts';
import { expect, test } from 'vitest';
import { read, readJob } from './read.ts';

const shop = readFileSync(new URL('./shop.yml', import.meta.url), 'utf8');

test('a file that uses the whole language means what it says', () => {
  const { app, on, env, jobs, environments } = read(shop);
  expect(app).toEqual({
    description: 'Customer web shop',
    owner: 'team-web',
    databases: ['postgres://db1.internal/shop'],
    links: { runbook: 'https://wiki.example/shop' },
  });
  expect(on).toEqual({
    push: { branches: ['main', 'release/**'], tags: ['v*'], paths: ['!docs/**'] },
    pullRequest: { branches: ['main'], paths: null },
    schedules: [{ cron: '0 3 * * *', timezone: 'UTC', branch: 'main' }],
  });
  expect(env).toEqual({ NODE_ENV: 'test' });
  expect(jobs).toEqual([
    {
      name: 'test',
      runsOn: ['linux'],
      needs: [],
      env: {},
      timeoutMs: 1_200_000,
      retry: 0,
      workingDirectory: null,
      network: 'egress',
      steps: [
        {
          name: 'npm ci',
          run: 'npm ci',
          env: {},
          timeoutMs: null,
          workingDirectory: null,
          shell: null,
          network: null,
        },
        {
          name: 'Unit tests',
          run: 'npm test',
          env: { CI_DB: 'sqlite' },
          timeoutMs: 300_000,
          workingDirectory: null,
          shell: null,
          network: null,
        },
      ],
      artifacts: [],
      inputs: [],
    },
    expect.objectContaining({
      name: 'package',
      needs: ['test'],
      timeoutMs: 3_600_000,
      artifacts: [{ name: 'shop', paths: ['dist', 'package.json'], exclude: ['**/*.map'] }],
    }),
  ]);
  expect(jobs[1]?.steps[0]).toMatchObject({ name: 'npm ci', run: 'npm ci\nnpm run build\n' });
  expect(environments).toEqual([
    {
      name: 'staging',
      url: 'https://staging.shop.example',
      path: '/srv/shop',
      hosts: ['deploy@web1.staging', 'deploy@web2.staging:2222'],
      keep: 5,
      shared: ['config/.env', 'log/', 'uploads/'],
      prepare: [{ run: './bin/migrate', on: 'first' }],
      restart: 'sudo systemctl reload shop',
      health: { http: 'http://127.0.0.1:3000/healthz', run: null, timeoutMs: 30_000 },
      requires: [],
      approvals: 0,
      batch: null,
      ...openToAll,
    },
    {
      name: 'production',
      url: null,
      path: '/srv/shop',
      hosts: ['deploy@web1.prod', 'deploy@web2.prod'],
      keep: 5,
      shared: [],
      prepare: [],
      restart: null,
      health: null,
      requires: ['staging'],
      approvals: 1,
      batch: 1,
      ...openToAll,
    },
  ]);
});

/** What an environment is like that says nothing about these. */
const openToAll = { branches: null, reproducible: null, freeze: [], haproxy: null, secrets: [], jump: null };

test('an environment says what may go there, when, and past which load balancer', () => {
  const { environments } = read(`
    version: 1
    jobs: {a: {steps: [{run: make}]}}
    environments:
      production:
        path: /srv/shop
        hosts: ['deploy@web1.prod', 'deploy@web2.prod']
        branches: [main, 'release/**']
        reproducible: required
        freeze:
          - { from: 2026-12-23T12:00Z, to: 2027-01-02T00:00:30Z, reason: Christmas }
          - { cron: '0 15 * * 5', duration: 64h }
        haproxy: { socket: [tcp://lb1:9999, /run/haproxy/admin.sock], backend: shop }
        secrets: DATABASE_URL
        jump: deploy@bastion.prod:2222`);
  expect(environments[0]).toMatchObject({
    batch: 1,
    branches: ['main', 'release/**'],
    reproducible: 'required',
    freeze: [
      { from: '2026-12-23T12:00:00.000Z', to: '2027-01-02T00:00:30.000Z', reason: 'Christmas' },
      { cron: '0 15 * * 5', durationMs: 64 * 3_600_000, reason: null },
    ],
    haproxy: { sockets: ['tcp://lb1:9999', '/run/haproxy/admin.sock'], backend: 'shop', server: '{name}' },
    secrets: ['DATABASE_URL'],
    jump: 'deploy@bastion.prod:2222',
  });
});

test('the smallest file is built on every push, tag and pull request', () => {
  const { app, on, env, environments } = read('version: 1\njobs: {a: {steps: [{run: make}]}}');
  expect({ app, env, environments }).toEqual({ app: {}, env: {}, environments: [] });
  expect(on).toEqual({
    push: { branches: null, tags: null, paths: null },
    pullRequest: { branches: null, paths: null },
    schedules: [],
  });
});

const anyPush = { branches: null, tags: null, paths: null };
const anyPullRequest = { branches: null, paths: null };

test.each([
  ['push', { push: anyPush, pullRequest: null }],
  ['[push, pull_request]', { push: anyPush, pullRequest: anyPullRequest }],
  ['[]', { push: null, pullRequest: null }],
  ['{}', { push: null, pullRequest: null }],
  ['{push: }', { push: anyPush, pullRequest: null }],
  [
    '{schedule: [{cron: 5 4 * * 1}]}',
    { push: null, pullRequest: null, schedules: [{ cron: '5 4 * * 1', timezone: 'UTC', branch: null }] },
  ],
  ['{pull_request: {paths: src/**}}', { push: null, pullRequest: { branches: null, paths: ['src/**'] } }],
])('on: %s', (on, meaning) => {
  expect(read(`version: 1\non: ${on}\njobs: {a: {steps: [{run: make}]}}`).on).toEqual({
    schedules: [],
    ...meaning,
  });
});

test('where a list is expected, one value may be written alone', () => {
  const { jobs } = read(`
version: 1
jobs:
  one: { runs-on: arm, steps: [{run: x}], artifact: {name: one, paths: a, exclude: b} }
  two: { needs: one, inputs: one, steps: [{run: x}] }`);
  expect(jobs[0]).toMatchObject({ runsOn: ['arm'], artifacts: [{ paths: ['a'], exclude: ['b'] }] });
  expect(jobs[1]).toMatchObject({ needs: ['one'], inputs: ['one'] });
});

test('environment values are kept as they were typed', () => {
  const { env } = read(`
version: 1
env: { PYTHON: 3.10, OCTAL: 0o17, FLAG: True, QUOTED: '1', EMPTY: '', LONG: 12345678901234567890 }
jobs: {a: {steps: [{run: x}]}}`);
  expect(env).toEqual({
    PYTHON: '3.10',
    OCTAL: '0o17',
    FLAG: 'True',
    QUOTED: '1',
    EMPTY: '',
    LONG: '12345678901234567890',
  });
});

test('jobs keep the order of the file, also when their names are numbers', () => {
  const job = '{steps: [{run: x}]}';
  const { jobs } = read(`version: 1\njobs: {b: ${job}, 10: ${job}, 2: ${job}, constructor: ${job}}`);
  expect(jobs.map(({ name }) => name)).toEqual(['b', '10', '2', 'constructor']);
});

test('an alias stands for what its anchor holds', () => {
  const { jobs } = read(`
version: 1
jobs:
  old: { env: &env { DB: 12 }, steps: &steps [{run: make}] }
  new: { env: *env, steps: *steps }`);
  expect(jobs[1]).toMatchObject({ env: { DB: '12' }, steps: [{ run: 'make' }] });
});

test('paths lose what means nothing', () => {
  const job = readJob(`
version: 1
jobs:
  a:
    working-directory: ./web//app/
    steps: [{ run: x, working-directory: . }]
    artifact: { name: a, paths: [./dist/, .], exclude: [a/./b] }`);
  expect(job).toMatchObject({
    workingDirectory: 'web/app',
    artifacts: [{ paths: ['dist/', '.'], exclude: ['a/b'] }],
  });
  expect(job.steps[0]?.workingDirectory).toBeNull();
});

test.each([
  ['npm ci\nnpm test', 'npm ci'],
  ['\n\n  make  \n', 'make'],
  ['echo a\tb', 'echo a b'],
  ['x'.repeat(100), `${'x'.repeat(79)}…`],
])('a step without a name is called like its first line: %j', (run, name) => {
  const job = readJob(JSON.stringify({ version: 1, jobs: { a: { steps: [{ run }] } } }));
  expect(job.steps[0]?.name).toBe(name);
});

test('a job may have a name for people beside its key', () => {
  const job = readJob('version: 1\njobs: {a: {name: All tests, steps: [{run: x}]}}');
  expect(job).toMatchObject({ name: 'a', title: 'All tests' });
});

test('the file may come as bytes, with a byte order mark and with Windows line ends', () => {
  const bytes = Buffer.from('\ufeffversion: 1\r\njobs: {a: {steps: [{run: x}]}}\r\n');
  expect(parsePipeline(bytes).pipeline?.jobs).toHaveLength(1);
});
