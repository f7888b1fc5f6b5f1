import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Build } from '@reprise/server/api.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIBFAKETIME } from '../rig/faketime.ts';
import type { RepriseProcess } from '../rig/process.ts';
import { fetchPublished } from '../rig/published.ts';
import { Rig } from '../rig/reprise.ts';

/** Small published packages with their own test suites; an older version makes the older commit. */
const PACKAGES = [
  { name: 'shell-quote', old: '1.6.0', head: '1.6.1' },
  { name: 'typedarray', old: '0.0.5', head: '0.0.6' },
  { name: 'text-table', old: '0.1.1', head: '0.2.0' },
];

const PIPELINE = `version: 1
jobs:
  test:
    steps:
      - { name: Clock, run: date }
      - { name: Dependencies, run: npm install --ignore-scripts --no-audit --no-fund --package-lock=false }
      - { name: Tests, run: npm test }
    artifact: { name: package, paths: [.], exclude: [.reprise.yml] }
`;

/** An unregistered user for the second runner. */
const OTHER_USER = 987_654;

/** Machines differ in who may open /dev/net/tun; below this everybody may, and nobody else notices. */
const WITH_TUN = [
  ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c'],
  'mknod -m 666 "$0" c 10 200; mount --bind "$0" /dev/net/tun; exec "$@"',
];

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start({ env: { REPRISE_TEST_TIME_SCALE: '1' } });
});
afterAll(() => rig[Symbol.asyncDispose]());

test('three real projects pack to identical bytes on two runners that differ in everything', {
  timeout: 400_000,
}, async () => {
  const commits: { project: string; sha: string }[] = [];
  for (const { name, old, head } of PACKAGES) commits.push(...(await addProject(name, [old, head])));

  await rig.startRunner('one', { env: { REPRISE_CAPACITY: '2', TZ: 'UTC', LANG: 'C' } });
  const first = await buildAll(
    commits.map(({ project, sha }) => ({ project, body: { ref: sha }, path: '' })),
  );
  await rig.api('PATCH', '/api/runners/one', { draining: true });

  await (await startOddRunner()).line(/runner ready/);
  const second = await buildAll(
    first.map((build) => ({ project: build.project, body: {}, path: `/${build.number}/rebuild` })),
  );
  for (const [at, build] of second.entries()) {
    const before = first[at];
    expect(build).toMatchObject({ status: 'passed', commit: before?.commit, jobs: [{ runner: 'two' }] });
    expect(build.artifacts[0]?.sha256).toBe(before?.artifacts[0]?.sha256);
    expect(build.artifacts[0]?.reproducibility.state).toBe('identical');
  }
  const [day, later] = await Promise.all([first[0], second[0]].map((build) => clockOf(build)));
  expect((later ?? 0) - (day ?? 0)).toBeGreaterThan(2 * 86_400_000);
});

/** Another user, umask, time zone, locale and data path, and steps whose clock is three days ahead. */
async function startOddRunner(): Promise<RepriseProcess> {
  chmodSync(rig.path(), 0o755);
  const dataDir = rig.path('a longer', 'and odder', 'place');
  mkdirSync(dataDir, { recursive: true });
  chownSync(dataDir, OTHER_USER, OTHER_USER);
  return rig.startRunner('two', {
    through: [
      ...WITH_TUN,
      rig.path('tun'),
      ...['setpriv', `--reuid=${OTHER_USER}`, `--regid=${OTHER_USER}`, '--clear-groups'],
      ...['sh', '-c', 'umask 077; exec "$@"', 'sh'],
      ...['env', `LD_PRELOAD=${LIBFAKETIME}`, 'FAKETIME=+3d'],
    ],
    env: {
      REPRISE_DATA_DIR: dataDir,
      REPRISE_CAPACITY: '2',
      TZ: 'Pacific/Kiritimati',
      LANG: 'tr_TR.UTF-8',
      LC_ALL: 'tr_TR.UTF-8',
      HOME: dataDir,
      REPRISE_STEP_ENV: 'LD_PRELOAD,FAKETIME,FAKETIME_DONT_FAKE_MONOTONIC',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  });
}

/** A repository whose commits hold the package's versions, each with the pipeline. */
async function addProject(project: string, versions: string[]): Promise<{ project: string; sha: string }[]> {
  const { repository } = await rig.project(project, { '.reprise.yml': PIPELINE });
  return versions.map((version) => {
    for (const entry of readdirSync(repository.path)) {
      if (entry !== '.git' && entry !== '.reprise.yml')
        rmSync(join(repository.path, entry), { recursive: true });
    }
    fetchPublished(project, version, repository.path);
    return { project, sha: repository.commit(`Release ${version}`, {}) };
  });
}

async function buildAll(asked: { project: string; path: string; body: object }[]): Promise<Build[]> {
  const numbers = [];
  for (const { project, path, body } of asked) {
    const { number } = await rig.api<Build>('POST', `/api/projects/${project}/builds${path}`, body);
    numbers.push({ project, number });
  }
  const builds = await Promise.all(numbers.map(({ project, number }) => rig.ended(project, number)));
  for (const { project, number, status, why } of builds)
    expect([project, number, status, why]).toEqual([project, number, 'passed', '']);
  return builds;
}

async function clockOf(build: Build | undefined): Promise<number> {
  const log = await rig.log(build?.project ?? '', build?.number ?? 0, 'test');
  return Date.parse(/\w{3} \w{3} +\d+ [\d:]+ \w+ \d{4}/.exec(log)?.[0] ?? '');
}
