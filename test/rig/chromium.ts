import { type Browser, chromium } from 'playwright-core';

/** Debian's Chromium, without what it would do for its maker. */
const ARGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Of these lists Chromium heeds the last, so what Playwright turns off and could matter here is named again. The first three are
  // pages of the browser's own, which it would load beside ours for every window.
  `--disable-features=${[
    'WebUIOmniboxPopup',
    'WebUIOmniboxAimPopup',
    'WebUIOmniboxFullPopup',
    'AvoidUnnecessaryBeforeUnloadCheckSync',
    'DestroyProfileOnBrowserClose',
    'HttpsUpgrades',
    'MediaRouter',
    'NetworkTimeServiceQuerying',
    'OptimizationHints',
    'PaintHolding',
    'PreconnectToSearch',
  ]}`,
];

/** A real Chromium of its own process. Ends with its caller: `await using browser = await openBrowser()`. */
export async function openBrowser(args: string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    // As root, as containers run tests, Chromium has no sandbox of its own.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [...ARGS, ...args],
  });
}
