import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { makeToken, signIn } from '../../rig/accounts.ts';
import { PuppetRunner, packed } from '../../rig/puppet-runner.ts';
import { ADMIN_TOKEN } from '../../rig/reprise.ts';
import { ServerHere } from '../../rig/server-here.ts';

const COMMAND = fileURLToPath(new URL('../../../server/main.ts', import.meta.url));

const PIPELINE = `version: 1
jobs:
  package:
    steps: [run: 'true']
    artifact: { name: site, paths: [a] }
environments:
  staging: { path: /srv/staging, hosts: [local] }
  production: { path: /srv/production, hosts: [local], requires: [staging], approvals: 1 }
`;

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** A server on which build #1 of shop has an artifact, and whoever deploys says yes at once. */
async function start() {
  const here = await ServerHere.start({
    REPRISE_ADMIN_TOKEN: ADMIN_TOKEN,
    REPRISE_LOCAL_DEPLOY_ROOT: '/srv',
  });
  await here.project('shop', { '.reprise.yml': PIPELINE });
  const builder = await PuppetRunner.connect(here);
  const deployer = await PuppetRunner.connect(here, { labels: ['deploy'] });
  const build = async () => {
    const { body } = await here.admin('POST', '/api/projects/shop/builds', { ref: 'main' });
    await here.planned('shop', body.number);
    const work = await builder.take();
    const [content, manifest] = [`content ${body.number}`, `manifest ${body.number}`];
    const file = { ...packed('site', content, manifest), fileName: `site-${work.version}.tar.gz` };
    for (const bytes of [content, manifest]) await builder.putBlob(work, bytes);
    await builder.finish(work, { artifacts: [file] });
  };
  const deploy = async () => {
    const work = await deployer.take();
    const release = work.deployment?.release ?? '';
    const host = { host: 'local', state: 'new', current: release, healthy: true, digest: null } as const;
    const result = { outcome: 'done', status: 'passed', why: null, release, redeployed: false } as const;
    const deployment = { ...result, hosts: [{ ...host, locked: false }], probes: [] };
    await deployer.finish(work, { deployment });
  };
  const reprise = (token: string, ...args: string[]): Promise<Ended> => {
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const env = { PATH: process.env['PATH'], REPRISE_SERVER: here.address, REPRISE_TOKEN: token };
    execFile(process.execPath, [COMMAND, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
    return promise;
  };
  const token = async (login: string) => {
    const browser = await signIn(here, { login, role: 'deployer' });
    return (await makeToken(browser, { name: 'cli', role: 'deployer' })).token;
  };
  return { here, build, deploy, reprise, token };
}

test('a build is promoted, approved by somebody else, seen where it is live and rolled back, all by the command', async () => {
  const { here, build, deploy, reprise, token } = await start();
  await using _ = here;
  const [ada, bob] = [await token('ada'), await token('bob')];
  await build();
  const early = await reprise(ada, 'promote', 'shop', '1', 'production', '--reason', 'Go');
  expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining('requires staging') });
  const mute = await reprise(ada, 'promote', 'shop', '1', 'staging');
  expect(mute).toMatchObject({ code: 2, stderr: expect.stringContaining('--reason') });
  const odd = await reprise(ada, 'promote', 'shop', 'one', 'staging', '--reason', 'Go');
  expect(odd).toMatchObject({ code: 2, stderr: expect.stringContaining('is not a build') });

  const [staged] = await Promise.all([
    reprise(ada, 'promote', 'shop', '#1', 'staging', '--reason', 'Go', '--wait'),
    deploy(),
  ]);
  expect(staged).toMatchObject({ code: 0, stdout: 'The promote of shop #1 to staging is passed.\n' });

  const asked = await reprise(ada, 'promote', 'shop', '1', 'production', '--reason', 'Go', '--json');
  const { id, state } = JSON.parse(asked.stdout);
  expect([asked.code, state]).toEqual([0, 'waiting']);
  const own = await reprise(ada, 'approve', 'shop', id);
  expect(own).toMatchObject({ code: 1, stderr: expect.stringContaining('somebody else must approve') });
  const [approved] = await Promise.all([
    reprise(bob, 'approve', 'shop', id, '--comment', 'Fine', '--wait', '--json'),
    deploy(),
  ]);
  expect(JSON.parse(approved.stdout)).toMatchObject({
    state: 'done',
    approvals: [{ by: 'bob', comment: 'Fine' }],
    deployment: { status: 'passed' },
  });

  const status = await reprise(ada, 'status', 'shop');
  expect(status.stdout).toMatch(/^BUILD +STATUS.*\nshop #1 +passed/);
  expect(status.stdout).toMatch(
    /\nstaging +local +#1 \S+ +live +\S+Z +ada +Go\nproduction +local +#1 \S+ +live +\S+Z +ada +Go\n/,
  );
  const facts = JSON.parse((await reprise(ada, 'status', 'shop', '--json')).stdout);
  expect(facts.environments.map(({ live }: { live: { build: number } }) => live.build)).toEqual([1, 1]);
  expect(facts.builds).toHaveLength(1);

  const nothing = await reprise(ada, 'rollback', 'shop', 'staging', '--reason', 'Back');
  expect(nothing).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing to go back to') });
  await build();
  await Promise.all([
    reprise(ada, 'promote', 'shop', '2', 'staging', '--reason', 'Next', '--wait'),
    deploy(),
  ]);
  const [back] = await Promise.all([
    reprise(bob, 'rollback', 'shop', 'staging', '--reason', 'Back', '--wait'),
    deploy(),
  ]);
  expect(back).toMatchObject({ code: 0, stdout: 'The rollback of shop #1 to staging is passed.\n' });
});

test.each(['promote', 'approve', 'rollback', 'verify-audit'])('reprise %s --help says how', async (verb) => {
  const { promise, resolve } = Promise.withResolvers<string>();
  execFile(process.execPath, [COMMAND, verb, '--help'], (_, stdout) => resolve(stdout));
  expect(await promise).toMatch(new RegExp(`^Usage: reprise ${verb}`));
});
