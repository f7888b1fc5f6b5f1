import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SignedInBrowser, signIn } from '../rig/accounts.ts';
import { openBrowser } from '../rig/chromium.ts';
import { Rig } from '../rig/reprise.ts';
import { type Visit, visit } from './browser.ts';

let rig: Rig;
let browser: Browser;
let ada: SignedInBrowser;

beforeAll(async () => {
  rig = await Rig.start({ command: 'up' });
  browser = await openBrowser();
  const job = { steps: [{ run: 'echo tea > tea' }], artifact: { name: 'tea', paths: ['tea'] } };
  const shop = await rig.project('shop', {
    '.reprise.yml': JSON.stringify({ version: 1, jobs: { pack: job } }),
  });
  for (const message of ['One', 'Two', 'Three'])
    await rig.ended('shop', await rig.push(shop, shop.repository.commit(message, { a: message })));
  ada = await signIn(rig.address, { login: 'ada', role: 'admin' });
});

afterAll(async () => {
  await browser?.close();
  await rig?.[Symbol.asyncDispose]();
});

test('a build is pinned with a reason, and the rules say beforehand what goes and what stays', async () => {
  await using who = await asAda();
  const { page } = who;
  await page.goto('/projects/shop/builds/1');
  await page.getByRole('button', { name: 'Pin' }).click();
  const asked = page.getByRole('dialog', { name: 'Pin shop #1' });
  await asked.getByLabel('Reason').fill('A customer has it');
  await asked.getByRole('button', { name: 'Pin' }).click();
  await page.getByText('pinned by ada: A customer has it').waitFor();

  await page.goto('/projects/shop/settings#retention');
  const part = page.getByRole('region', { name: 'Retention' });
  await part.getByText('3 builds hold logs and artifacts').waitFor();
  await part.getByLabel('Rules of its own').check();
  await part.getByLabel('Builds').fill('1');
  await part.getByRole('button', { name: 'Show what would go' }).click();
  await part.getByText('What 1 build holds would go').waitFor();
  const lines = part.getByRole('listitem');
  expect(await lines.allInnerTexts()).toEqual([
    expect.stringMatching(/^#2 .* Only the newest build is kept\.$/),
    expect.stringMatching(/^#1 .* ada pinned it: A customer has it$/),
  ]);
});

test('rules that are saved are carried out on demand, and the build says what became of it', async () => {
  await using who = await asAda();
  const { page } = who;
  await page.goto('/projects/shop/settings');
  const part = page.getByRole('region', { name: 'Retention' });
  await part.getByLabel('Rules of its own').check();
  await part.getByLabel('Builds').fill('1');
  await part.getByRole('button', { name: 'Save' }).click();
  await page.getByText('The rules are saved.').waitFor();
  await part.getByRole('button', { name: 'Remove now' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByText('Removed what 1 build held').waitFor();
  await part.getByText('2 builds hold logs and artifacts').waitFor();

  await page.goto('/projects/shop/builds/2');
  await page.getByText('Its logs and artifacts were removed by retention').waitFor();
  await page.getByText('The log was removed by retention.').waitFor();
  expect(await page.getByRole('button', { name: 'Pin' }).count()).toBe(0);
  await page.getByRole('button', { name: 'Rebuild' }).waitFor();
});

async function asAda(): Promise<Visit> {
  return visit(browser, { address: rig.address, cookie: ada.cookie });
}
