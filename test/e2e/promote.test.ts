import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { type SignedInBrowser, signIn } from '../rig/accounts.ts';
import { openBrowser } from '../rig/chromium.ts';
import { Rig, type RigProject } from '../rig/reprise.ts';
import { type Visit, visit } from './browser.ts';

/** A shop whose artifact holds `content`; `slowly`: its launch in staging says so and waits until the test lets it go on. */
function pipeline(rig: Rig, content: string, slowly?: string): string {
  const root = rig.path('boxes');
  const prepare = slowly === undefined ? [] : [{ run: rig.puppet(slowly), on: 'all' }];
  return JSON.stringify({
    version: 1,
    jobs: {
      package: {
        steps: [{ run: `mkdir -p dist; echo ${content} > dist/index.html` }],
        artifact: { name: 'shop', paths: ['dist'] },
      },
    },
    environments: {
      staging: {
        path: `${root}/staging`,
        hosts: ['local'],
        prepare,
        health: { run: 'test -s dist/index.html', timeout: '5s' },
      },
      production: { path: `${root}/production`, hosts: ['local'], requires: ['staging'], approvals: 1 },
    },
  });
}

async function start(): Promise<{
  rig: Rig;
  project: RigProject;
  ada: SignedInBrowser;
  bob: SignedInBrowser;
}> {
  const rig = await Rig.start({ command: 'up', env: { REPRISE_LOCAL_DEPLOY_ROOT: '/tmp' } });
  mkdirSync(rig.path('boxes'));
  const project = await rig.project('shop', { '.reprise.yml': pipeline(rig, 'one') });
  const ada = await signIn(rig.address, { login: 'ada', role: 'admin' });
  const bob = await signIn(rig.address, { login: 'bob', projects: { shop: 'deployer' } });
  return { rig, project, ada, bob };
}

function open(browser: Browser, rig: Rig, who: SignedInBrowser, width = 1280): Promise<Visit> {
  return visit(browser, { address: rig.address, cookie: who.cookie, width });
}

async function built(rig: Rig, project: RigProject, commit: string): Promise<number> {
  const number = await rig.push(project, commit);
  expect(await rig.ended('shop', number)).toMatchObject({ status: 'passed' });
  return number;
}

/** As a person does, from the build's page. */
async function promote(page: Page, o: { build: number; environment: string; reason: string }): Promise<void> {
  await page.goto(`/projects/shop/builds/${o.build}`);
  await page.getByRole('button', { name: 'Promote', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Environment').selectOption(o.environment);
  await dialog.getByLabel('Reason').fill(o.reason);
  await dialog.getByRole('button', { name: 'Promote', exact: true }).click();
  await page.waitForURL(`**/projects/shop/environments/${o.environment}`);
}

/** The card of an environment on the page of all of them. */
const card = (page: Page, environment: string) =>
  page.getByRole('region', { name: environment, exact: true });

/** As the launch says it; the log also shows the command that says it. */
const GOES_ON = /^(?!.*echo).*launch goes on$/;

/** What the card says is live. */
const live = (page: Page, environment: string) =>
  card(page, environment).getByRole('group', { name: 'Live' });

const on = (rig: Rig, environment: string) =>
  readFileSync(join(rig.path('boxes'), environment, 'current/dist/index.html'), 'utf8').trim();

test('an artifact goes to staging, with a second yes to production, and back, all in the page', {
  timeout: 180_000,
}, async () => {
  const { rig: started, project, ada, bob } = await start();
  await using rig = started;
  // A server that is to end waits for what it carries out: where this test fails meanwhile, that must end too.
  using _launch = { [Symbol.dispose]: () => rig.release('launch') };
  await using browser = await openBrowser();
  await using adas = await open(browser, rig, ada);
  await using bobs = await open(browser, rig, bob);
  const { page } = adas;

  const first = await built(rig, project, project.head);
  await promote(page, { build: first, environment: 'staging', reason: 'First of all' });
  await live(page, 'staging').getByText('ada: First of all').waitFor();
  expect(on(rig, 'staging')).toBe('one');

  // What goes out is seen before anything is asked; production is refused as long as staging has not got it.
  project.repository.commit('Round prices', { 'prices.txt': 'round' });
  const head = project.repository.commit('Say hello', { '.reprise.yml': pipeline(rig, 'two', 'launch') });
  const second = await built(rig, project, head);
  await page.goto(`/projects/shop/builds/${second}`);
  await page.getByRole('button', { name: 'Promote', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(/^2 commits would go out, after /).waitFor();
  expect(await dialog.getByRole('listitem').allTextContents()).toEqual(
    expect.arrayContaining([expect.stringContaining('Say hello'), expect.stringContaining('Round prices')]),
  );
  await dialog.getByLabel('Environment').selectOption('production');
  await dialog.getByText('production requires staging').waitFor();
  expect(await dialog.getByRole('button', { name: 'Promote', exact: true }).isDisabled()).toBe(true);
  await page.keyboard.press('Escape');

  // The log comes while the launch goes on, and the page needs no reload.
  await promote(page, { build: second, environment: 'staging', reason: 'Try the prices' });
  await card(page, 'staging').getByText('Being deployed').waitFor();
  await card(page, 'staging').getByRole('link', { name: 'Log' }).click();
  await page.getByText(/^(?!.*echo).*launch waits$/).waitFor();
  expect(on(rig, 'staging')).toBe('one');
  expect(await page.getByText(GOES_ON).count()).toBe(0);
  rig.release('launch');
  await page.getByText(GOES_ON).waitFor();
  await page.getByRole('cell', { name: 'the new release is live' }).waitFor();
  await live(page, 'staging').getByText('ada: Try the prices').waitFor();
  expect(on(rig, 'staging')).toBe('two');

  // A difference between environments is seen, and leads on; who asked may not say yes.
  await page.goto('/projects/shop/environments');
  await page.getByText('staging has').waitFor();
  await card(page, 'production')
    .getByRole('button', { name: `Promote #${second} here` })
    .click();
  await page.getByText('It waits until somebody else approves it.').waitFor();
  await page.getByRole('dialog').getByLabel('Reason').fill('Customers wait for it');
  await page.getByRole('dialog').getByRole('button', { name: 'Promote', exact: true }).click();
  await page.waitForURL('**/environments/production');
  await card(page, 'production').getByText('You asked for it, so somebody else approves it.').waitFor();
  expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0);

  await bobs.page.goto('/projects/shop/environments');
  await card(bobs.page, 'production').getByRole('button', { name: 'Approve' }).click();
  await bobs.page.getByLabel('Reason (optional)').fill('Looks right');
  await bobs.page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click();
  await live(page, 'production').getByText('ada: Customers wait for it').waitFor();
  await card(page, 'production').getByText('Deployed', { exact: true }).waitFor();
  expect(on(rig, 'production')).toBe('two');

  // Back, to what is shown before it is done.
  await page.goto('/projects/shop/environments');
  await page.getByText('The same artifact is live wherever something is.').waitFor();
  await page.getByRole('button', { name: 'Roll back staging' }).click();
  await page.getByRole('dialog').getByText('ada: First of all').waitFor();
  await page.getByRole('dialog').getByLabel('Reason').fill('Prices are wrong');
  await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
  await live(page, 'staging').getByText('who rolled back: Prices are wrong').waitFor();
  await page.getByText('Not the same everywhere.').waitFor();
  expect(on(rig, 'staging')).toBe('one');

  await page.goto('/audit?project=shop');
  const audit = page.getByRole('main').getByRole('listitem');
  for (const [who, why] of [
    ['ada', 'Try the prices'],
    ['ada', 'Customers wait for it'],
    ['bob', 'Looks right'],
    ['ada', 'Prices are wrong'],
  ] as const)
    await audit.filter({ hasText: who }).filter({ hasText: why }).locator('time').first().waitFor();
});

test('servers say what is on them and whether it still is what was deployed', {
  timeout: 120_000,
}, async () => {
  const { rig: started, project, bob } = await start();
  await using rig = started;
  await using browser = await openBrowser();
  await using bobs = await open(browser, rig, bob, 390);
  const { page } = bobs;
  const build = await built(rig, project, project.head);
  await promote(page, { build, environment: 'staging', reason: 'For the fair' });
  await live(page, 'staging').getByText('bob: For the fair').waitFor();
  await page.getByRole('button', { name: 'Look now at staging' }).click();
  await page.getByText('As deployed', { exact: true }).waitFor();

  await page.goto('/servers');
  await page.getByRole('searchbox').fill('fair bob');
  await page.getByText('1 of 1 server').waitFor();
  await page.getByText('bob: For the fair').waitFor();
  await page.getByText('As deployed', { exact: true }).waitFor();
  await page.getByRole('searchbox').fill('nobody');
  await page.getByText('Nothing about any server has all of these words').waitFor();

  // A viewer sees all of it and is offered nothing.
  const eve = await signIn(rig.address, { login: 'eve', role: 'viewer' });
  await using eves = await open(browser, rig, eve);
  await eves.page.goto('/projects/shop/environments');
  await live(eves.page, 'staging').getByText('bob: For the fair').waitFor();
  expect(await eves.page.getByRole('button', { name: /Roll back|Converge|Look now|Promote/ }).count()).toBe(
    0,
  );
});

test('secrets and policies are set in the settings, and no value is ever shown', {
  timeout: 120_000,
}, async () => {
  const { rig: started, project, ada } = await start();
  await using rig = started;
  await using browser = await openBrowser();
  await using adas = await open(browser, rig, ada);
  const { page } = adas;
  await built(rig, project, project.head);
  await page.goto('/projects/shop/settings#secrets');
  const secrets = page.getByRole('region', { name: 'Secrets' });
  await secrets.getByLabel('For').selectOption('production');
  await secrets.getByLabel('Name').fill('DATABASE_URL');
  await secrets.getByLabel('Value').fill('postgres://the-secret-of-the-shop');
  await secrets.getByRole('button', { name: 'Set the secret' }).click();
  await secrets.getByRole('button', { name: 'Remove DATABASE_URL for production' }).waitFor();
  expect(await page.content()).not.toContain('the-secret-of-the-shop');
  expect(await secrets.getByLabel('Value').inputValue()).toBe('');

  await secrets.getByLabel('For').selectOption('staging');
  await secrets.getByLabel('Name').fill('SSH_PRIVATE_KEY');
  await secrets.getByRole('checkbox', { name: /Make a new SSH key/ }).check();
  await secrets.getByRole('button', { name: 'Make the key' }).click();
  await secrets.getByText(/^ssh-ed25519 /).waitFor();
  expect(await page.content()).not.toContain('BEGIN OPENSSH');

  const policies = page.getByRole('region', { name: 'Policies' });
  await policies.getByText('staging', { exact: true }).click();
  await policies.getByLabel('Approvals at least').first().fill('2');
  await policies.getByRole('button', { name: 'Save the policy of staging' }).click();
  await page.getByText('The policy of staging is set.').waitFor();
  const set = await rig.api('GET', '/api/projects/shop/policy/staging');
  expect(set).toMatchObject({ approvals: 2, promoters: 'deployer' });
});
