import { createHash } from 'node:crypto';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { signIn } from '../rig/accounts.ts';
import { openBrowser } from '../rig/chromium.ts';
import { ADMIN_TOKEN, type Rig, type RigProject } from '../rig/reprise.ts';
import { atMost, type Benchmark, ratioAtMost } from './benchmark.ts';
import { floodProject, startFlood } from './log-flood.ts';
import { alternate, pick } from './measure.ts';
import { residentMb, watchMemory } from './memory.ts';
import { startScript } from './program.ts';
import { startRig } from './reprise.ts';

/** Beside the page. */
const OTHER_VIEWERS = 4;

/** Notes the longest time in which the page could not do anything else, and how many frames were late. */
const WATCH_BLOCKS = `
  window.longest = 0; window.late = 0;
  const channel = new MessageChannel();
  let last = performance.now();
  channel.port1.onmessage = () => {
    const now = performance.now();
    window.longest = Math.max(window.longest, now - last);
    last = now;
    setTimeout(() => { last = performance.now(); channel.port2.postMessage(0); }, 0);
  };
  channel.port2.postMessage(0);
  let frame = performance.now();
  requestAnimationFrame(function next(now) {
    if (now - frame > 34) window.late += 1;
    frame = now;
    requestAnimationFrame(next);
  });`;

/** Two million lines, followed live by five: a page in Chromium, and four programs that take the digest of what they get. */
export const logPage: Benchmark = {
  name: 'log-page',
  what: 'a page that follows a step printing 200 MB in two million lines live, among five viewers',
  plain: 'an empty page in the same browser at the same time',
  goal: {
    'longest block': ratioAtMost(2),
    'memory of the page': atMost(150),
    "server's memory, grown": atMost(64),
  },
  async run(context) {
    await using rig = await startRig('up');
    const project = await floodProject(rig);
    const { cookie } = await signIn(rig.address, { login: 'ada', role: 'admin' });
    await using browser = await openBrowser(['--disable-renderer-backgrounding']);
    const { ours } = await alternate(context, { ours: () => follow(rig, project, browser, cookie) });
    return [
      { name: 'longest block', unit: 'ms', ours: pick(ours, 'longest'), plain: pick(ours, 'emptyLongest') },
      { name: 'memory of the page', unit: 'MB', ours: pick(ours, 'page'), plain: pick(ours, 'empty') },
      { name: "server's memory, grown", unit: 'MB', ours: pick(ours, 'grown'), plain: null },
      { name: 'until the page shows the end', unit: 's', ours: pick(ours, 'shown'), plain: null },
    ];
  },
};

async function follow(rig: Rig, project: RigProject, browser: Browser, cookie: string) {
  const { number, topic, release, ended } = await startFlood(rig, project);
  const [name = '', value = ''] = cookie.split('=');
  const context = await browser.newContext({ baseURL: rig.address, viewport: { width: 1280, height: 860 } });
  await context.addCookies([{ name, value, url: rig.address }]);
  const page = await context.newPage();
  await page.goto(`/projects/${project.name}/builds/${number}`);
  await page.getByText('waits', { exact: false }).last().waitFor();
  const emptyContext = await browser.newContext();
  const empty = await emptyContext.newPage();
  await empty.setContent('<!doctype html><title>Empty</title><p>Nothing');
  for (const watched of [page, empty]) await watched.evaluate(WATCH_BLOCKS);
  const audience = startScript('log-viewers.ts', rig.address, ADMIN_TOKEN, topic, String(OTHER_VIEWERS));
  await audience.line(/^watching$/);

  const server = rig.server.child.pid ?? 0;
  const before = residentMb(server);
  const memory = watchMemory(server);
  const began = performance.now();
  release();
  await ended();
  const seen = await audience.line(/^seen /);
  await page
    .getByText('2,000,00', { exact: false })
    .or(page.getByText(/^2000\d{3}$/))
    .first()
    .waitFor({ timeout: 120_000 });
  const shown = (performance.now() - began) / 1000;
  const grown = memory.stop() - before;
  await audience.stop();
  await refuseLoss(rig, project.name, number, seen);
  const figures = {
    shown,
    grown,
    longest: await numberIn(page, 'longest'),
    emptyLongest: await numberIn(empty, 'longest'),
    page: await heldMb(context, page),
    empty: await heldMb(emptyContext, empty),
  };
  await context.close();
  await emptyContext.close();
  return figures;
}

/** What every viewer got must be the stored log, byte by byte: else the figures mean nothing. */
async function refuseLoss(rig: Rig, project: string, number: number, seen: string): Promise<void> {
  const response = await rig.fetch(`/api/projects/${project}/builds/${number}/jobs/job/log`);
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of response.body ?? []) {
    hash.update(chunk);
    size += chunk.length;
  }
  const stored = `seen ${size} bytes ${hash.digest('hex')}`;
  if (seen !== stored) throw new Error(`The viewers have another log: ${seen}; stored are ${stored}.`);
}

async function numberIn(page: Page, name: string): Promise<number> {
  return Number(await page.evaluate(`window.${name}`));
}

/** Script's and document's memory after a collection, MB. */
async function heldMb(context: BrowserContext, page: Page): Promise<number> {
  const devtools = await context.newCDPSession(page);
  await devtools.send('HeapProfiler.collectGarbage');
  const usage = (await devtools.send('Runtime.getHeapUsage')) as unknown as Record<string, number>;
  const parts = ['usedSize', 'embedderHeapUsedSize', 'backingStorageSize'];
  return parts.reduce((sum, part) => sum + (usage[part] ?? 0), 0) / 1e6;
}
