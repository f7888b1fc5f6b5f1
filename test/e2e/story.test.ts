import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import type { Build } from '@reprise/server/api.ts';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PASSWORD } from '../rig/accounts.ts';
import { openBrowser } from '../rig/chromium.ts';
import { deliver, pushPayload } from '../rig/github.ts';
import { makeRepository, type TestRepository } from '../rig/repository.ts';
import { Rig } from '../rig/reprise.ts';
import { Watcher } from '../rig/watcher.ts';
import { type Visit, visit } from './browser.ts';
import { LogOnPage } from './log-build.ts';

/** One person's first day: each test goes on where the one before it ended, in one window on one server. */
let rig: Rig;
let browser: Browser;
let who: Visit;
let page: Page;
let repository: TestRepository;
let webhook = { url: '', secret: '' };

beforeAll(async () => {
  rig = await Rig.start({ command: 'up' });
  repository = makeRepository(rig.path('repositories', 'shop'));
  const writes = 'mkdir -p dist && echo "Open from nine to five" > dist/index.html';
  repository.commit('Lay the first stone', { '.reprise.yml': pipeline(['echo stone', writes]) });
  repository.commit('Paint the door', { 'door.txt': 'green\n' });
  const counts = [
    `seq -f 'cup %g' 1 300; ${rig.puppet('half')}; seq -f 'saucer %g' 1 400; printf '\\033[31mred\\033[0m tea\\n'`,
    `${rig.puppet('rest')}; seq -f 'spoon %g' 1 100`,
    writes,
  ];
  repository.commit('Open the shop', { '.reprise.yml': pipeline(counts) });
  browser = await openBrowser();
  who = await visit(browser, { address: rig.address });
  page = who.page;
});

afterAll(async () => {
  await who?.[Symbol.asyncDispose]();
  await browser?.close();
  await rig?.[Symbol.asyncDispose]();
});

test('the link that the server prints first makes the first administrator, who arrives at an empty list', async () => {
  const line = await rig.server.line(/^Make the first administrator: /);
  expect(rig.server.output().split('\n').indexOf(line)).toBeGreaterThan(0);
  const link = line.replace('Make the first administrator: ', '');
  await page.goto(link);
  await page.getByRole('heading', { name: 'The first administrator' }).waitFor();
  expect(page.url()).toBe(`${rig.address}/welcome`);
  await page.getByLabel('Login').fill('ada');
  await page.getByLabel('Name (optional)').fill('Ada Example');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Make the account' }).click();
  await page.getByRole('heading', { name: 'No projects yet' }).waitFor();

  await using another = await visit(browser, { address: rig.address });
  await another.page.goto(link);
  await another.page.getByRole('alert').waitFor();
  expect(await another.page.getByLabel('Login').count()).toBe(0);
});

test('a project is added, and the page says when the first signed push arrives', async () => {
  await page.getByRole('link', { name: 'Add a project' }).click();
  await page.getByLabel('Clone address').fill(`file://${repository.path}`);
  await page.getByLabel('Repository at GitHub (optional)').fill('example/shop');
  expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('shop');
  await page.getByRole('button', { name: 'Add project' }).click();
  await page.getByRole('heading', { name: 'shop is added' }).waitFor();
  await page.getByText('Waiting for the first delivery: GitHub sends a ping').waitFor();
  webhook = {
    url: await copied(page, 'Copy the payload URL'),
    secret: await copied(page, 'Copy the secret'),
  };
  expect(await push(repository.git('rev-parse', 'HEAD'))).toBe(202);
  await page.getByText(/GitHub's delivery arrived .* The webhook works\./).waitFor();

  await page.getByRole('link', { name: 'Deliveries' }).click();
  await page.getByRole('heading', { name: 'Deliveries', level: 1 }).waitFor();
  await page.getByRole('link', { name: /#1/ }).first().waitFor();
});

test('a log is watched live to its end, and a reload in the middle shows the same bytes once', async () => {
  await page.getByRole('link', { name: 'Projects' }).first().click();
  await page.getByRole('link', { name: 'shop', exact: true }).first().click();
  await page.getByRole('link', { name: /#1 Open the shop/ }).click();
  await page.waitForURL('**/projects/shop/builds/1');
  const shown = new LogOnPage(page);
  await shown.log.getByText('half waits', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Follow', pressed: true }).waitFor();
  await page.reload();
  await shown.log.getByText('half waits', { exact: true }).waitFor();
  rig.release('half');
  await shown.log.getByText('rest waits', { exact: true }).waitFor();
  expect(await page.title()).toBe('● shop #1 · main');
  rig.release('rest');
  await status(page, 'Passed');
  await page.getByRole('button', { name: 'Follow' }).waitFor({ state: 'detached' });
  expect(await page.title()).toBe('✓ shop #1 · main');
  const bytes = await rig.log('shop', 1, 'build');
  expect(await shown.readAll()).toEqual(stripVTControlCharacters(bytes).trimEnd().split('\n'));
});

test('a rebuild by the button, with a reason, ends on a page that says identical', async () => {
  await page.getByRole('button', { name: 'Rebuild' }).click();
  const dialog = page.getByRole('dialog', { name: 'Rebuild shop #1' });
  await dialog.getByLabel('Reason (optional)').fill('Same bytes a minute later?');
  await dialog.getByRole('button', { name: 'Rebuild' }).click();
  await page.waitForURL('**/projects/shop/builds/2');
  await page.getByText('Same bytes a minute later?').waitFor();
  await status(page, 'Passed');
  await page.getByRole('link', { name: 'Identical to build #1' }).waitFor();
});

test('an artifact downloaded by the button has the digest that the page and the API say', async () => {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download', exact: true }).click(),
  ]);
  const sha256 = createHash('sha256')
    .update(readFileSync(await download.path()))
    .digest('hex');
  expect(sha256).toBe(await copied(page, 'Copy the sha256 digest'));
  const [artifact] = (await rig.api<Build>('GET', '/api/projects/shop/builds/2')).artifacts;
  expect(artifact).toMatchObject({ sha256, fileName: download.suggestedFilename() });
});

test("a line's link, copied and opened in a second page, leads to that line and marks it", async () => {
  const line = 450;
  await page.goto(`/projects/shop/builds/1#L${line - 5}`);
  const shown = new LogOnPage(page);
  await shown.number(line).click();
  await page.getByText(`Line ${line}`, { exact: true }).waitFor();
  const link = await copied(page, 'Copy link');
  expect(link).toBe(`${rig.address}/projects/shop/builds/1#L${line}`);
  const other = new LogOnPage(await who.context.newPage());
  await other.page.goto(link);
  const marked = other.log.getByRole('link', { name: `Line ${line}`, exact: true });
  await marked.and(other.page.locator('[aria-current]')).waitFor();
  await expect.poll(() => other.seen()).toContain(line);
  expect(await other.log.locator('[data-line][aria-current]').count()).toBe(1);
  const lines = (await rig.log('shop', 1, 'build')).split('\n');
  await other
    .text(line)
    .getByText(lines[line - 1] ?? '', { exact: true })
    .waitFor();
  await other.page.close();
});

test('an old commit is found by its subject and built', async () => {
  await page.getByRole('navigation', { name: 'Breadcrumbs' }).getByRole('link', { name: 'shop' }).click();
  await page.getByRole('link', { name: 'Build any commit' }).click();
  await page.getByRole('combobox', { name: 'What to build' }).fill('first stone');
  const row = page.getByRole('row', { name: /Lay the first stone/ });
  await row.and(page.locator('[aria-selected="true"]')).waitFor();
  await page.getByText('Never built.').waitFor();
  await page.getByLabel('Reason (optional)').fill('Was the stone square?');
  await page.getByRole('button', { name: 'Build', exact: true }).click();
  await page.waitForURL('**/projects/shop/builds/3');
  await page.getByRole('heading', { name: /shop #3 Lay the first stone/ }).waitFor();
  await status(page, 'Passed');
  const build = await rig.api<Build>('GET', '/api/projects/shop/builds/3');
  expect(build.commit).toBe(repository.git('rev-parse', 'HEAD~2'));
  expect(build.trigger.reason).toBe('Was the stone square?');
});

test('a running build is cancelled', async () => {
  const endless = pipeline([rig.puppet('nobody')]);
  const before = repository.git('rev-parse', 'HEAD');
  expect(await push(repository.commit('Wait for ever', { '.reprise.yml': endless }), before)).toBe(202);
  await page.goto('/projects/shop');
  await page.getByRole('link', { name: /#4 Wait for ever/ }).click();
  await new LogOnPage(page).log.getByText('nobody waits', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the build' }).click();
  await status(page, 'Cancelled');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(await page.getByRole('button', { name: 'Cancel', exact: true }).count()).toBe(0);
});

test('a token made in the page opens a socket, which closes within a second of its being revoked', async () => {
  await page.getByRole('button', { name: 'Ada Example' }).click();
  await page.getByRole('menuitem', { name: 'Your account' }).click();
  await page.getByRole('button', { name: 'New token' }).click();
  await page.getByRole('dialog', { name: 'New token' }).getByLabel('Name').fill('dashboard');
  await page.getByRole('button', { name: 'Make the token' }).click();
  using watcher = new Watcher(rig.address, await copied(page, 'Copy the token'));
  await watcher.connected();
  expect(await watcher.watch('project:shop')).toMatchObject({ ok: true });
  await page.getByRole('button', { name: 'Revoke dashboard' }).click();
  const asked = page.waitForRequest((request) => request.method() === 'DELETE').then(() => performance.now());
  const closed = new Promise<number>((resolve) =>
    watcher.socket.once('disconnect', () => resolve(performance.now())),
  );
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  expect((await closed) - (await asked)).toBeLessThan(1000);
  await page.getByText('No token yet.').waitFor();
  watcher.socket.connect();
  await expect(watcher.connected()).rejects.toThrow();
});

test('who signs out is asked for the password, and comes back to where they were going', async () => {
  await page.getByRole('button', { name: 'Ada Example' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.goto('/projects/shop/builds/3');
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.getByLabel('Login').fill('ada');
  await page.getByLabel('Password', { exact: true }).fill('not the password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: /shop #3 Lay the first stone/ }).waitFor();
});

function pipeline(steps: string[]): string {
  const build = { steps: steps.map((run) => ({ run })), artifact: { name: 'shop', paths: ['dist'] } };
  return JSON.stringify({ version: 1, jobs: { build } });
}

/** Delivers GitHub's push of a commit to the default branch; the answer's status. */
async function push(after: string, before?: string): Promise<number> {
  const message = repository.git('log', '-1', '--format=%s', after);
  const payload = pushPayload({ github: 'example/shop', branch: 'main', after, before, message });
  return (await deliver({ ...webhook, event: 'push', payload })).status;
}

/** What a button puts into the clipboard. */
async function copied(from: Page, button: string): Promise<string> {
  await from.evaluate(() => navigator.clipboard.writeText(''));
  await from.getByRole('button', { name: button, exact: true }).click();
  await expect.poll(() => from.evaluate(() => navigator.clipboard.readText())).not.toBe('');
  return from.evaluate(() => navigator.clipboard.readText());
}

/** Waits until the build's page says how the build is. */
async function status(from: Page, word: string): Promise<void> {
  await from.getByRole('banner').or(from.locator('main header')).getByText(word, { exact: true }).waitFor();
}
