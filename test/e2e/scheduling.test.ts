import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SignedInBrowser, signIn } from '../rig/accounts.ts';
import { openBrowser } from '../rig/chromium.ts';
import type { RepriseProcess } from '../rig/process.ts';
import { Rig, type RigProject } from '../rig/reprise.ts';
import { type Visit, visit } from './browser.ts';

const SECRET = 'the-secret-that-runners-register-with-02';

let rig: Rig;
let browser: Browser;
let shop: RigProject;
let ada: SignedInBrowser;
let box: RepriseProcess;

beforeAll(async () => {
  rig = await Rig.start({ env: { REPRISE_RUNNER_REGISTRATION: SECRET } });
  browser = await openBrowser();
  shop = await rig.project('shop', pipeline('start'));
  ada = await signIn(rig.address, { login: 'ada', role: 'admin' });
  box = startBox();
  await box.line(/runner ready/);
});

afterAll(async () => {
  await browser?.close();
  await rig?.[Symbol.asyncDispose]();
});

test('a runner that registered itself deploys only while an administrator lets it', async () => {
  await using who = await asAda();
  const { page } = who;
  await page.goto('/runners');
  const card = page.getByRole('listitem').filter({ hasText: 'box' });
  await card.getByText('by itself').waitFor();
  const label = card.getByText('deploy', { exact: true });
  expect(await label.count()).toBe(0);
  await card.getByRole('button', { name: 'Let deploy box' }).click();
  await label.waitFor();
  await card.getByRole('button', { name: 'Deploy no more box' }).click();
  await label.waitFor({ state: 'detached' });
  await page.goto('/audit');
  await page.getByText('took from runner box the right to deploy').waitFor();
});

test('what is said to run next goes before what waited longer', async () => {
  const numbers = [];
  for (const name of ['first', 'second', 'third']) numbers.push(await push(name));
  const [first = 0, second = 0, third = 0] = numbers;
  await rig.logHas('shop', first, 'test', 'first waits');
  await using who = await asAda();
  const { page } = who;
  const order = () => page.getByRole('region', { name: 'Waiting' }).getByRole('listitem').allInnerTexts();
  await page.goto('/queue');
  const said = (number: number) => expect.stringContaining(`#${number}`);
  await expect.poll(order).toEqual([said(second), said(third)]);

  await page.goto(`/projects/shop/builds/${third}`);
  await page.getByRole('button', { name: 'Run next' }).click();
  await page.getByText(`shop #${third} goes next.`).waitFor();
  await page.goto('/queue');
  await expect.poll(order).toEqual([said(third), said(second)]);

  rig.release('first');
  await rig.logHas('shop', third, 'test', 'third waits');
  await page.goto(`/projects/shop/builds/${third}`);
  await page.getByText('third waits', { exact: true }).waitFor();
  expect(await page.getByRole('button', { name: 'Run next' }).count()).toBe(0);
  expect((await rig.until('shop', second, () => true)).status).toBe('queued');
  rig.release('third');
  rig.release('second');
  await Promise.all(numbers.map((number) => rig.ended('shop', number)));
});

test('a runner that three builds in a row were lost with is put aside, says why, and is taken back by hand', async () => {
  let last = 0;
  for (const name of ['a', 'b', 'c']) {
    // What was lost before would be tried again first, and one build says no more however often it breaks.
    if (last > 0) await ada.call('POST', `/api/projects/shop/builds/${last}/cancel`, {});
    last = await push(`lost-${name}`);
    await rig.logHas('shop', last, 'test', `lost-${name} waits`);
    await box.kill();
    await rig.until('shop', last, ({ status }) => status === 'queued');
    box = startBox();
    await box.line(/runner ready/);
  }
  await using who = await asAda();
  const { page } = who;
  await page.goto('/runners');
  const card = page.getByRole('listitem').filter({ hasText: 'box' });
  await card.getByText('Put aside').waitFor();
  await card.getByText(/^Attempts of 3 builds in a row broke on it, the last because/).waitFor();
  await card.getByRole('button', { name: 'Take back box' }).click();
  await card.getByText('Connected').waitFor();
  await card.getByText('1 of 1 busy').waitFor();
  rig.release('lost-c');
  expect(await rig.ended('shop', last)).toMatchObject({ status: 'passed', jobs: [{ attempt: 2 }] });
});

test("a project's page says when the clock builds next, and of which branch", async () => {
  const on = {
    schedule: [
      { cron: '0 3 * * *', timezone: 'Asia/Tokyo' },
      { cron: '30 4 * * 1', branch: 'gone' },
    ],
  };
  const head = shop.repository.commit('Build at night', pipeline('night', on));
  rig.release('night');
  await rig.ended('shop', await rig.push(shop, head));
  await using who = await asAda();
  const { page } = who;
  await page.goto('/projects/shop');
  const schedules = page.getByRole('region', { name: 'Schedule' }).getByRole('listitem');
  const nightly = schedules.filter({ hasText: '0 3 * * * Asia/Tokyo' });
  const next = new Date((await nightly.locator('time').getAttribute('datetime')) ?? '');
  expect(next.toISOString()).toMatch(/T18:00:00.000Z$/);
  expect(next.getTime() - Date.now()).toBeLessThanOrEqual(24 * 3_600_000);
  await schedules.filter({ hasText: '30 4 * * 1 UTC' }).getByText('gone', { exact: true }).waitFor();
});

function startBox(): RepriseProcess {
  return rig.restartRunner('box', '', {
    env: { REPRISE_RUNNER_REGISTRATION: SECRET, REPRISE_RUNNER_NAME: 'box', REPRISE_LABELS: 'linux' },
  });
}

/** A commit whose one job waits for that puppet; its build. */
function push(puppet: string): Promise<number> {
  const head = shop.repository.commit(puppet, pipeline(puppet));
  return rig.push(shop, head);
}

function pipeline(puppet: string, on: object = { push: {} }): Record<string, string> {
  const test = { steps: [{ run: rig.puppet(puppet) }] };
  return { '.reprise.yml': JSON.stringify({ version: 1, on: { push: {}, ...on }, jobs: { test } }) };
}

async function asAda(): Promise<Visit> {
  return visit(browser, { address: rig.address, cookie: ada.cookie });
}
