import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SignedInBrowser, signIn } from '../rig/accounts.ts';
import { openBrowser } from '../rig/chromium.ts';
import { deliver } from '../rig/github.ts';
import { Rig, type RigProject } from '../rig/reprise.ts';
import { type Visit, visit } from './browser.ts';

const steps = (...runs: { name?: string; run: string }[]) => ({ steps: runs });
const pipeline = (jobs: object) => ({ '.reprise.yml': JSON.stringify({ version: 1, jobs }) });

let rig: Rig;
let browser: Browser;
let shop: RigProject;
let handbook: RigProject;
let ada: SignedInBrowser;

beforeAll(async () => {
  rig = await Rig.start();
  browser = await openBrowser();
  shop = await rig.project('shop', pipeline({ test: steps({ run: 'true' }) }));
  handbook = await rig.project('handbook', pipeline({ test: steps({ run: 'true' }) }));
  ada = await signIn(rig.address, { login: 'ada', role: 'admin' });
});

afterAll(async () => {
  await browser?.close();
  await rig?.[Symbol.asyncDispose]();
});

test('a runner is added with one command, and the page sees it connect', async () => {
  await using who = await asSomebody(ada);
  const { page } = who;
  await page.goto('/runners');
  await page.getByRole('heading', { name: 'No runner yet' }).waitFor();
  await page.getByRole('button', { name: 'Add a runner' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('Box 1');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await dialog.getByText('must be lower-case letters').waitFor();
  await dialog.getByLabel('Name').fill('box-1');
  await dialog.getByLabel('Labels').fill('linux, docker');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  const command = await dialog.getByText('npx reprise runner').innerText();
  const [, server, token = ''] =
    /^REPRISE_SERVER=(\S+) REPRISE_RUNNER_TOKEN=(\S+) npx reprise runner$/.exec(command) ?? [];
  expect(server).toBe(rig.address);
  await dialog.getByText('Waiting for box-1 to connect…').waitFor();
  rig.restartRunner('box-1', token);
  await dialog.getByText('box-1 is connected and takes jobs.').waitFor();
  await dialog.getByRole('button', { name: 'Done' }).click();

  const card = page.getByRole('listitem').filter({ hasText: 'box-1' });
  await card.getByText('Connected').waitFor();
  await card.getByText('0 of 1 busy').waitFor();
  await card.getByText('docker', { exact: true }).waitFor();
  await card.getByRole('button', { name: 'Drain box-1' }).click();
  await card.getByText('Draining').waitFor();
  await card.getByRole('button', { name: 'Resume box-1' }).click();
  await card.getByText('Connected').waitFor();
});

test('the queue says what runs where and why the rest waits, and empties by itself', async () => {
  shop.repository.git('checkout', '--quiet', '-b', 'queue');
  const head = shop.repository.commit(
    'Look at the queue',
    pipeline({
      test: steps({ name: 'Unit tests', run: 'true' }, { name: 'With a database', run: rig.puppet('queue') }),
      gpu: { 'runs-on': ['gpu'], ...steps({ run: 'true' }) },
      later: { needs: ['test'], ...steps({ run: 'true' }) },
    }),
  );
  shop.repository.git('checkout', '--quiet', 'main');
  await using who = await asSomebody(ada);
  const { page } = who;
  await page.goto('/queue');
  await page.getByRole('heading', { name: 'Nothing waits, nothing runs' }).waitFor();
  const number = await rig.push(shop, head, { branch: 'queue' });
  const running = page.getByRole('region', { name: 'Running' });
  await running.getByText('With a database').waitFor();
  await running.getByText('on box-1').waitFor();
  const waiting = page.getByRole('region', { name: 'Waiting' }).getByRole('listitem');
  await waiting.filter({ hasText: 'gpu' }).getByText('No runner has the label gpu.').waitFor();
  await waiting.filter({ hasText: 'later' }).getByText('Waits for test.').waitFor();
  rig.release('queue');
  await running.waitFor({ state: 'detached' });
  await expect.poll(() => waiting.count()).toBe(1);
  await waiting.getByRole('link').press('Enter');
  await page.waitForURL(`**/projects/shop/builds/${number}?job=gpu`);
  await ada.call('POST', `/api/projects/shop/builds/${number}/cancel`, {});
  await page.goBack();
  await page.getByRole('heading', { name: 'Nothing waits, nothing runs' }).waitFor();
});

test("a fork's build waits for a yes in one place, where it is given with what it means", async () => {
  await using who = await asSomebody(ada);
  const { page } = who;
  await page.goto('/waiting');
  await page.getByRole('heading', { name: 'Nothing waits for you' }).waitFor();
  const [one, two] = [await fromFork(7, 'Sell coffee'), await fromFork(8, 'Sell cocoa')];
  const coffee = page.getByRole('listitem').filter({ hasText: 'Sell coffee' });
  await coffee.getByText('Pull request 7 from stranger').waitFor();
  expect(await coffee.getByRole('link', { name: 'Read the changes' }).getAttribute('href')).toBe(
    'https://github.com/example/shop/pull/7/files',
  );
  await coffee.getByRole('button', { name: 'Approve' }).click();
  const dialog = page.getByRole('dialog', { name: `Let shop #${one} run?` });
  await dialog.getByText('without secrets').waitFor();
  await dialog.getByLabel('Reason (optional)').fill('Read every line');
  await dialog.getByRole('button', { name: 'Approve' }).click();
  await coffee.waitFor({ state: 'detached' });
  expect((await rig.ended('shop', one)).status).toBe('passed');
  await page.getByRole('button', { name: `Cancel shop #${two}` }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the build' }).click();
  await page.getByRole('heading', { name: 'Nothing waits for you' }).waitFor();
  expect((await rig.ended('shop', two)).status).toBe('cancelled');
});

test('deliveries come in live, are narrowed to a project and delivered again', async () => {
  await using who = await asSomebody(ada);
  const { page } = who;
  await page.goto('/deliveries');
  await page.getByLabel('Project').fill('handbook');
  await page.getByLabel('Project').press('Enter');
  await page.waitForURL('**/deliveries?project=handbook');
  await page.getByRole('heading', { name: 'Nothing has arrived for handbook' }).waitFor();
  const ping = { zen: 'Keep it logically awesome.', repository: { full_name: 'example/handbook' } };
  await deliver({ ...handbook.webhook, event: 'ping', payload: ping });
  const rows = page.getByRole('list', { name: 'Deliveries, newest first' }).getByRole('listitem');
  await rows.getByText('The ping arrived: this webhook works.').waitFor();
  const number = await rig.push(handbook, handbook.head);
  await rows
    .first()
    .getByRole('link', { name: `Passed #${number}` })
    .waitFor();
  expect(await rows.count()).toBe(2);
  await rows
    .first()
    .getByRole('button', { name: /^Deliver again/ })
    .click();
  await page.getByRole('dialog').getByRole('button', { name: 'Deliver again' }).click();
  await page.getByText(`Delivered again: handbook #${number + 1}.`).waitFor();
  await rows
    .first()
    .getByRole('link', { name: `Passed #${number + 1}` })
    .waitFor();

  const star = { action: 'created', repository: { full_name: 'example/handbook' }, sender: { login: 'fan' } };
  for (let at = 0; at < 50; at += 1) await deliver({ ...handbook.webhook, event: 'star', payload: star });
  await rows.first().getByText('by fan').waitFor();
  await page.getByRole('link', { name: 'Older' }).click();
  await rows.getByRole('link', { name: `Passed #${number + 1}` }).waitFor();
  expect(await rows.count()).toBe(2);
  await page.getByRole('link', { name: 'Newest' }).click();
  await expect.poll(() => rows.count()).toBe(50);
});

test('the audit reads as sentences, live, narrowed by its address, and unfolds', async () => {
  const { token } = (await ada.call('POST', '/api/tokens', { name: 'script', role: 'admin' })).body;
  await using who = await asSomebody(ada);
  const { page } = who;
  await page.goto('/audit?action=build.rebuild');
  await page.getByText('Nothing is like that.').waitFor();
  await fetch(`${rig.address}/api/projects/shop/builds/1/rebuild`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'Is it the same?' }),
  });
  const entries = page.getByRole('main').getByRole('listitem');
  await entries
    .filter({ hasText: /ada\s+with script\s+rebuilt #1 as\s+shop #\d+\s+— Is it the same\?/ })
    .waitFor();
  await entries.locator('summary', { hasText: /^Details of entry/ }).press('Enter');
  await page.getByText('build.rebuild', { exact: true }).waitFor();
  await page.getByRole('button', { name: "Copy the entry's hash" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^[0-9a-f]{64}$/);

  await page.getByLabel('What').selectOption('build');
  await page.waitForURL('**/audit?action=build');
  await entries.filter({ hasText: /ada\s+let run\s+shop #\d+\s+— Read every line/ }).waitFor();
  await page.getByLabel('Who').fill('nobody');
  await page.getByLabel('Who').press('Enter');
  await page.waitForURL('**/audit?actor=nobody&action=build');
  await page.getByText('Nothing is like that.').waitFor();
  await page.getByRole('link', { name: 'Everything' }).click();
  await page
    .getByRole('button', { name: 'Older' })
    .or(page.getByRole('heading', { name: 'Today' }))
    .first()
    .waitFor();
  expect(await page.getByLabel('Who').inputValue()).toBe('');
});

test('a member of one project sees that project alone, and is offered only what they may', async () => {
  const carol = await signIn(rig.address, { login: 'carol', projects: { handbook: 'viewer' } });
  const number = await fromFork(9, 'Sell water');
  await using who = await asSomebody(carol);
  const { page } = who;
  await page.goto('/deliveries');
  await page.getByRole('list', { name: 'Deliveries, newest first' }).waitFor();
  expect(await page.getByRole('main').getByRole('link', { name: 'shop' }).count()).toBe(0);
  expect(await page.getByRole('button', { name: /^Deliver again/ }).count()).toBe(0);
  await page.goto('/waiting');
  await page.getByRole('heading', { name: 'Nothing waits for you' }).waitFor();
  await page.goto('/runners');
  await page.getByText('Connected').waitFor();
  expect(await page.getByRole('main').getByRole('button').count()).toBe(0);
  await page.goto('/audit');
  await page.getByText('carol viewer of handbook').first().waitFor();
  expect(await page.getByRole('main').getByText('shop').count()).toBe(0);
  await page.goto('/users');
  await page.getByRole('heading', { name: 'For administrators' }).waitFor();
  await ada.call('POST', `/api/projects/shop/builds/${number}/cancel`, {});
});

test('each page asks for each thing once', async () => {
  const { repository } = handbook;
  const number = await rig.push(handbook, repository.commit('Once', { 'once.txt': '1' }));
  await rig.ended('handbook', number);
  const places = ['/', '/projects/handbook', `/projects/handbook/builds/${number}`, '/queue', '/waiting'];
  await using who = await asSomebody(ada);
  const { page } = who;
  let asked: string[] = [];
  let watches: string[] = [];
  page.on('request', (request) => {
    const path = request.url().slice(rig.address.length);
    if (path.startsWith('/api/')) asked.push(path);
  });
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => {
      const [, id] = /^42(\d+)\["watch"/.exec(String(payload)) ?? [];
      if (id) watches.push(`asked ${id}`);
    });
    socket.on('framereceived', ({ payload }) => {
      const [, id] = /^43(\d+)\[/.exec(String(payload)) ?? [];
      watches = watches.map((watch) => (watch === `asked ${id}` ? 'answered' : watch));
    });
  });
  for (const place of [...places, '/servers', '/runners', '/deliveries', '/audit']) {
    [asked, watches] = [[], []];
    await page.goto(place);
    await expect.poll(() => [...new Set(watches)]).toEqual(['answered']);
    // Asked after what an answer to a watch may have led to.
    await page.evaluate(() => new Promise(requestAnimationFrame).then(() => fetch('/healthz')));
    expect(asked.length, place).toBeGreaterThan(1);
    expect(asked.toSorted(), place).toEqual([...new Set(asked)].sort());
  }
});

test('what changes between an answer and the watching of it is asked for again', async () => {
  await using who = await asSomebody(ada);
  const { page } = who;
  const { promise: changed, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: held, resolve: hold } = Promise.withResolvers<void>();
  await page.routeWebSocket('**/socket.io/**', (socket) => {
    const server = socket.connectToServer();
    socket.onMessage(async (message) => {
      if (String(message).includes('"watch"')) {
        hold();
        await changed;
      }
      server.send(message);
    });
  });
  await page.goto('/projects/handbook');
  await page.locator('[data-row]').first().waitFor();
  await held;
  const number = await rig.push(handbook, handbook.repository.commit('Meanwhile', { 'mean.txt': '1' }));
  await rig.ended('handbook', number);
  expect(await page.getByText(`#${number}`).count()).toBe(0);
  goOn();
  await page.getByText(`#${number}`).first().waitFor();
});

/** A window in which somebody is signed in. */
function asSomebody({ cookie }: SignedInBrowser): Promise<Visit> {
  return visit(browser, { address: rig.address, cookie });
}

/** A stranger's pull request; the number of its build, which waits. */
async function fromFork(number: number, title: string): Promise<number> {
  const { repository } = shop;
  repository.git('checkout', '--quiet', '-B', 'stranger', shop.head);
  const head = repository.commit(title, { 'offer.txt': title });
  repository.git('update-ref', `refs/pull/${number}/head`, head);
  repository.git('checkout', '--quiet', 'main');
  const payload = {
    action: 'opened',
    number,
    pull_request: {
      title,
      head: { ref: 'stranger', sha: head, repo: null },
      base: { ref: 'main', sha: shop.head, repo: { id: 1 } },
    },
    repository: { full_name: 'example/shop' },
    sender: { login: 'stranger' },
  };
  const response = await deliver({ ...shop.webhook, event: 'pull_request', payload });
  const { builds } = (await response.json()) as { builds: { number: number }[] };
  const build = builds[0]?.number ?? 0;
  await rig.until('shop', build, ({ status }) => status === 'blocked');
  return build;
}
