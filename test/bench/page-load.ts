import { createServer } from 'node:http';
import { signIn } from '../rig/accounts.ts';
import { openBrowser } from '../rig/chromium.ts';
import { Rig } from '../rig/reprise.ts';
import { atMost, type Benchmark } from './benchmark.ts';
import { alternate, pick } from './measure.ts';

/** How much slower a slow laptop is than this machine: what Chromium's own audits take for one. */
const SLOWER = 4;
const PROJECTS = 12;

const EMPTY = '<!doctype html><title>Empty</title><h1>Projects</h1><a data-row href="/">a row</a>';

/** From the click to a page that can be worked with, on a slow laptop, with nothing in the browser's cache. */
export const pageLoad: Benchmark = {
  name: 'page-load',
  what: 'first load of the page, signed in: its script as sent, and until its rows can be used on a four times slower processor',
  plain: 'a page with one heading and one row, without script',
  goal: { script: atMost(150), interactive: atMost(1000) },
  async run(context) {
    await using rig = await Rig.start();
    for (let at = 0; at < PROJECTS; at += 1) await rig.project(`project-${at}`, { 'a.txt': 'a' });
    const { cookie } = await signIn(rig.address, { login: 'ada', role: 'admin' });
    const [name = '', value = ''] = cookie.split('=');
    const plain = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end(EMPTY),
    );
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as { port: number };
    await using browser = await openBrowser();
    const open = async (address: string) => {
      const browserContext = await browser.newContext({ viewport: { width: 1280, height: 860 } });
      await browserContext.addCookies([{ name, value, url: rig.address }]);
      const page = await browserContext.newPage();
      const devtools = await browserContext.newCDPSession(page);
      await devtools.send('Network.enable');
      await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
      const scripts = new Set<string>();
      let bytes = 0;
      devtools.on(
        'Network.responseReceived',
        ({ requestId, type }) => type === 'Script' && scripts.add(requestId),
      );
      devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
        if (scripts.has(requestId)) bytes += encodedDataLength;
      });
      const began = performance.now();
      await page.goto(address, { waitUntil: 'commit' });
      await page.locator('a[data-row]').first().waitFor();
      const ms = performance.now() - began;
      await page.waitForLoadState('networkidle');
      await browserContext.close();
      return { script: bytes / 1000, interactive: ms };
    };
    try {
      const times = await alternate(context, {
        ours: () => open(rig.address),
        plain: () => open(`http://127.0.0.1:${port}`),
      });
      return [
        { name: 'script', unit: 'kB', ours: pick(times.ours, 'script'), plain: null },
        {
          name: 'interactive',
          unit: 'ms',
          ours: pick(times.ours, 'interactive'),
          plain: pick(times.plain, 'interactive'),
        },
      ];
    } finally {
      plain.close();
    }
  },
};
