import { expect, test } from 'vitest';
import { GithubApiServer } from '../../rig/github-api.ts';
import { Promotable } from '../../rig/promotable.ts';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { ServerHere } from '../../rig/server-here.ts';

const FILE = { '.reprise.yml': JSON.stringify({ version: 1, jobs: { test: { steps: [{ run: 'true' }] } } }) };
const ofStatuses = ({ path }: { path: string }) => path.startsWith('/statuses/');

/** A build that waits for a runner. */
async function begin(here: ServerHere, name: string, sha: string) {
  const { body } = await here.admin('POST', `/api/projects/${name}/builds`, { ref: sha });
  await here.planned(name, body.number);
  return body.number as number;
}

test('the commit of a build shows its status at GitHub, with a way to the build', async () => {
  await using github = await GithubApiServer.start('example/shop');
  await using here = await ServerHere.start({ ...github.env, REPRISE_URL: 'https://ci.example.com' });
  const { head } = await here.project('shop', FILE);
  const runner = await PuppetRunner.connect(here);
  const number = await begin(here, 'shop', head);
  const work = await runner.take();
  await github.until((told) => told.length === 1);
  await runner.finish(work, { status: 'failed', why: 'step 1 ended with 1' });
  await github.until((told) => told.length === 2);
  const path = `/statuses/${head}`;
  const common = {
    context: 'reprise/shop',
    target_url: `https://ci.example.com/projects/shop/builds/${number}`,
  };
  expect(github.told).toEqual([
    { path, body: expect.objectContaining({ ...common, state: 'pending' }) },
    { path, body: expect.objectContaining({ ...common, state: 'failure' }) },
  ]);
  expect(JSON.stringify(here.logLines)).not.toContain(github.token);
});

test('a project whose repository the token cannot reach does not hold the others back', async () => {
  await using github = await GithubApiServer.start('example/shop');
  await using here = await ServerHere.start(github.env);
  const strange = await here.project('strange', FILE);
  const shop = await here.project('shop', FILE);
  await begin(here, 'strange', strange.head);
  await begin(here, 'shop', shop.head);
  await github.until((told) => told.length === 1);
  expect(github.told[0]?.path).toBe(`/statuses/${shop.head}`);
  const said = here.logLines.filter(({ msg }) => /does not take this status/.test(String(msg)));
  expect(said).toMatchObject([{ project: 'strange', github: 'example/strange' }]);
});

test('what GitHub could not be told is told after a restart, and only as it is by then', async () => {
  await using github = await GithubApiServer.start('example/shop');
  await using here = await ServerHere.start(github.env);
  const { head } = await here.project('shop', FILE);
  const runner = await PuppetRunner.connect(here);
  github.faults.push({ status: 503 });
  const number = await begin(here, 'shop', head);
  await runner.finish(await runner.take(), { status: 'passed' });
  await here.until('shop', number, ({ finishedAt }) => finishedAt !== null);
  await here.startAgain();
  await github.until((told) => told.some(({ body }) => body['state'] === 'success'));
  expect(github.told.filter(ofStatuses).at(-1)?.body).toMatchObject({ state: 'success' });
});

test('a promotion is a deployment at GitHub, made once though its answer was lost', async () => {
  await using github = await GithubApiServer.start('example/shop');
  await using rig = await Promotable.start(
    { staging: { path: '/srv/shop', hosts: ['local'], url: 'https://staging.example' } },
    github.env,
  );
  const build = await rig.build();
  await github.until((told) => told.some(({ body }) => body['state'] === 'success'));
  github.told.splice(0);
  // The list of deployments is answered; the answer to making one gets lost.
  github.faults.push({ status: 502 }, 'lost');
  await rig.deploy(build, 'staging');
  const ofDeployments = () => github.told.filter((one) => !ofStatuses(one));
  await github.until(() => ofDeployments().some(({ body }) => body['state'] === 'success'));
  expect(github.made).toMatchObject([{ sha: rig.project.head, environment: 'staging' }]);
  expect(ofDeployments().at(-1)).toMatchObject({
    path: '/deployments/1000/statuses',
    body: { state: 'success', environment_url: 'https://staging.example' },
  });
  expect(ofDeployments()[0]?.body).toMatchObject({ auto_merge: false, required_contexts: [] });
});
