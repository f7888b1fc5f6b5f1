import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addUser, PASSWORD, signIn } from '../rig/accounts.ts';
import { openBrowser } from '../rig/chromium.ts';
import { bringAxe, faultsIn } from './axe.ts';
import { type Visit, type VisitOptions, visit } from './browser.ts';
import { type LivedIn, startLivedIn } from './lived-in.ts';
import { LogOnPage } from './log-build.ts';

let lived: LivedIn;
let browser: Browser;

beforeAll(async () => {
  [lived, browser] = await Promise.all([startLivedIn(), openBrowser()]);
});

afterAll(async () => {
  await browser?.close();
  await lived?.[Symbol.asyncDispose]();
});

function enter(o: Partial<VisitOptions> = {}): Promise<Visit> {
  return visit(browser, { address: lived.rig.address, cookie: lived.cookie, ...o });
}

/** An address, and what is opened there. */
interface Sight {
  at: string;
  opens?: string;
  open?: (page: Page) => Promise<unknown>;
}

/** Every page as it is opened. */
function pages(): Sight[] {
  const build = (number: number) => `/projects/shop/builds/${number}`;
  const { passed, different, failed, running, blocked } = lived.builds;
  return [
    '/',
    '/projects/new',
    '/projects/new?project=empty',
    '/projects/shop',
    '/projects/empty',
    '/projects/shop/settings',
    '/projects/shop/build',
    '/projects/shop/environments',
    '/projects/shop/environments/staging',
    '/queue',
    '/waiting',
    '/servers',
    '/runners',
    '/deliveries',
    '/audit',
    '/users',
    '/account',
    '/no/such/page',
    '/projects/nobody',
    build(9999),
    ...[passed, different, failed, running, blocked].map(build),
  ].map((at) => ({ at }));
}

/** What opens over the pages, or in them. */
function openings(): Sight[] {
  const { different, running, failed } = lived.builds;
  const [changed, runs, broke] = [different, running, failed].map(
    (number) => `/projects/shop/builds/${number}`,
  );
  const dialog = (at: string | undefined, button: string | RegExp): Sight => ({
    at: at ?? '',
    opens: String(button),
    async open(page) {
      await page.getByRole('button', { name: button }).first().click();
      await page.getByRole('dialog').waitFor();
    },
  });
  return [
    ...['?', 'Control+k'].map((key) => ({
      at: '/',
      opens: key,
      async open(page: Page) {
        await page.keyboard.press(key);
        await page.getByRole('dialog').waitFor();
      },
    })),
    dialog(changed, 'Rebuild'),
    dialog(changed, 'Files'),
    dialog(changed, /differ/),
    dialog(changed, 'Promote'),
    dialog(runs, /^Cancel$/),
    dialog('/account', 'New token'),
    dialog('/users', 'Add a user'),
    dialog('/runners', 'Add a runner'),
    dialog('/deliveries', /^Deliver again/),
    dialog('/waiting', /^Approve/),
    dialog('/projects/shop/settings', 'Make a new secret'),
    {
      at: changed ?? '',
      opens: 'How the log is shown',
      async open(page) {
        await page.getByRole('button', { name: 'How the log is shown' }).click();
        await page.getByRole('menu').waitFor();
      },
    },
    {
      at: '/users',
      opens: 'Actions for bob',
      async open(page) {
        await page.getByRole('button', { name: 'Actions for bob' }).click();
        await page.getByRole('menu').waitFor();
      },
    },
    {
      at: `${broke}#L20-L24`,
      opens: 'matches',
      async open(page) {
        await page.getByRole('searchbox', { name: 'Search the log' }).fill('1');
        await page.getByRole('searchbox', { name: 'Search the log' }).press('Enter');
        await page.getByRole('button', { name: 'List', exact: true }).click();
        await page.getByText('Lines 20 to 24').waitFor();
      },
    },
    {
      at: '/projects/new',
      opens: 'a refusal',
      async open(page) {
        await page.getByLabel('Clone address').fill('ftp://nowhere');
        await page.getByLabel('Name', { exact: true }).fill('nowhere');
        await page.getByRole('button', { name: 'Add project' }).click();
        await page.locator('[aria-invalid="true"]').waitFor();
      },
    },
    {
      at: '/account',
      opens: 'a new token',
      async open(page) {
        await page.getByRole('button', { name: 'New token' }).click();
        await page.getByRole('dialog').getByLabel('Name').fill(`dashboard ${page.viewportSize()?.width}`);
        await page.getByRole('button', { name: 'Make the token' }).click();
        await page.getByRole('button', { name: 'Copy the token' }).waitFor();
      },
    },
  ];
}

const WINDOWS: [string, Partial<VisitOptions>][] = [
  ['wide', {}],
  ['a phone', { width: 390, height: 844 }],
];

// Side by side: each waits for its own window most of the time.
describe.concurrent('no rule of WCAG 2.2 AA is broken, light or dark, and nothing scrolls sideways', {
  timeout: 300_000,
}, () => {
  test.each(WINDOWS)('on any page, %s', async (_window, o) => {
    await using who = await enter(o);
    expect(await faultsOf(who.page, pages())).toEqual([]);
  });

  test.each(WINDOWS)('in anything that opens, %s', async (_window, o) => {
    await using who = await enter(o);
    expect(await faultsOf(who.page, openings())).toEqual([]);
  });

  test.each(WINDOWS)('before anybody has signed in, %s', async (name, o) => {
    const { url } = await addUser(lived.rig.address, { login: `guest-${name.replaceAll(' ', '-')}` });
    await using who = await visit(browser, { address: lived.rig.address, ...o });
    const sights = ['/sign-in', '/welcome#spent', url].map((at) => ({ at }));
    expect(await faultsOf(who.page, sights)).toEqual([]);
  });
});

test('the menu of a phone breaks no rule of WCAG 2.2 AA, and gives the focus back', async () => {
  await using who = await enter({ width: 390, height: 844 });
  const menu = who.page.getByRole('button', { name: 'Menu' });
  const open = async () => {
    await menu.press('Enter');
    await who.page.getByRole('dialog', { name: 'Menu' }).waitFor();
  };
  expect(await faultsOf(who.page, [{ at: '/', opens: 'Menu', open }])).toEqual([]);
  await who.page.keyboard.press('Escape');
  await hasFocus(menu);
});

test('every control of every page is reached with Tab, and shows that it has the focus', async () => {
  await using who = await enter();
  const missed: string[] = [];
  for (const { at } of pages()) {
    await arrive(who.page, at);
    missed.push(...(await tabThrough(who.page)).map((control) => `${at}: ${control}`));
  }
  expect(missed).toEqual([]);
});

test('from signing in to a rebuild, everything is done with keys alone', async () => {
  await using who = await visit(browser, { address: lived.rig.address });
  const { page } = who;
  const { keyboard } = page;
  await signIn(lived.rig.address, { login: 'anne', role: 'developer' });
  await page.goto('/sign-in');
  await tabTo(page, page.getByLabel('Login'));
  await keyboard.type('anne');
  await tabTo(page, page.getByLabel('Password', { exact: true }));
  await keyboard.type(PASSWORD);
  await keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Projects', level: 1 }).waitFor();

  await keyboard.type('gq');
  await page.getByRole('heading', { name: 'Queue', level: 1 }).waitFor();
  await keyboard.press('Control+k');
  const box = page.getByRole('combobox', { name: 'A project or a page' });
  await hasFocus(box);
  await keyboard.type('deliv');
  const meant = page.getByRole('option', { name: 'Deliveries', selected: true });
  await expect.poll(() => box.getAttribute('aria-activedescendant')).toBe(await meant.getAttribute('id'));
  await keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Deliveries', level: 1 }).waitFor();
  await keyboard.type('gp');
  await page.getByRole('heading', { name: 'Projects', level: 1 }).waitFor();
  await tabTo(page, page.getByRole('link', { name: 'shop', exact: true }).first());
  await keyboard.press('Enter');
  await page.getByRole('heading', { name: 'shop', level: 1 }).waitFor();

  const rows = page.getByRole('table', { name: /^Builds of shop/ }).locator('[data-row]');
  await rows.first().waitFor();
  await keyboard.press('j');
  await hasFocus(rows.nth(0));
  await keyboard.type('jjk');
  await hasFocus(rows.nth(1));
  await tabTo(page, rows.filter({ hasText: `#${lived.builds.passed} ` }).first());
  await keyboard.press('Enter');
  await page.waitForURL(`**/builds/${lived.builds.passed}`);

  await tabTo(page, page.getByRole('button', { name: 'Rebuild' }));
  await keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: /^Rebuild shop/ });
  await dialog.waitFor();
  await keyboard.press('Escape');
  await hasFocus(page.getByRole('button', { name: 'Rebuild' }));
  await keyboard.press('Enter');
  await hasFocus(dialog.getByLabel('Reason (optional)'));
  await keyboard.type('By hand, without a mouse');
  await tabTo(page, dialog.getByRole('button', { name: 'Rebuild' }));
  await keyboard.press('Enter');
  await page.getByText('By hand, without a mouse').waitFor();
  await page.getByRole('heading', { name: `shop #${lived.builds.running + 1}` }).waitFor();
});

test('steps, search, following, menus and help of a running build obey keys', async () => {
  await using who = await enter();
  const { page } = who;
  const { keyboard } = page;
  await arrive(page, `/projects/shop/builds/${lived.builds.running}`);
  const steps = page.getByRole('list', { name: 'Steps' }).getByRole('button');
  await keyboard.press('j');
  await hasFocus(steps.nth(0));
  await keyboard.press('j');
  await hasFocus(steps.nth(1));
  await keyboard.press('k');
  await hasFocus(steps.nth(0));
  await keyboard.press('Enter');
  const shown = new LogOnPage(page);
  await expect.poll(() => shown.seen()).toEqual(expect.arrayContaining([3, 4, 5]));

  const follow = (pressed: boolean) => page.getByRole('button', { name: 'Follow', pressed }).waitFor();
  await follow(false);
  await keyboard.press('f');
  await follow(true);
  await keyboard.press('f');
  await follow(false);

  await keyboard.press('/');
  await hasFocus(page.getByRole('searchbox', { name: 'Search the log' }));
  await keyboard.type('123');
  await keyboard.press('Enter');
  await page.getByText('1 of 1', { exact: true }).waitFor();
  await keyboard.press('Escape');
  await hasFocus(shown.log);

  await keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).getByText('Follow the log, or stop').waitFor();
  await keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await hasFocus(shown.log);

  const menu = page.getByRole('button', { name: 'How the log is shown' });
  await tabTo(page, menu, 'Shift+Tab');
  await keyboard.press('Enter');
  await hasFocus(page.getByRole('menuitem', { name: 'Wrap long lines' }));
  await keyboard.press('ArrowDown');
  await hasFocus(page.getByRole('menuitem', { name: 'Show times' }));
  await keyboard.press('Enter');
  await shown.log.getByRole('time').first().waitFor();
  await hasFocus(menu);
  await keyboard.press('ArrowDown');
  await page.getByRole('menuitem', { name: 'Show times , chosen' }).waitFor();
  await keyboard.press('Escape');
  await hasFocus(menu);
});

/** Everything that axe finds in light and in dark, and what is too wide. */
async function faultsOf(page: Page, sights: Sight[]): Promise<string[]> {
  const faults: string[] = [];
  await bringAxe(page);
  for (const { at, opens, open } of sights) {
    await page.emulateMedia({ colorScheme: 'light' });
    await arrive(page, at);
    await open?.(page);
    const where = opens === undefined ? at : `${at} with ${opens}`;
    for (const fault of await faultsIn(page)) faults.push(`${where}: ${fault}`);
    await page.emulateMedia({ colorScheme: 'dark' });
    for (const fault of await faultsIn(page, 'colours')) faults.push(`${where}, dark: ${fault}`);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) faults.push(`${where}: ${over} pixels too wide`);
  }
  return faults;
}

/** Opens an address and waits until everything of it is drawn. */
async function arrive(page: Page, at: string): Promise<void> {
  // An address that differs in its fragment alone would load nothing.
  if (at.includes('#')) await page.goto('about:blank');
  await page.goto(at);
  await page.locator('h1, h2').first().waitFor();
  await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' });
}

/** Presses Tab until the control has the focus; every stop on the way must show that it has it. */
async function tabTo(page: Page, control: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  await control.waitFor();
  for (let presses = 0; presses < 100; presses += 1) {
    await page.keyboard.press(key);
    expect(await page.evaluate(isFocusSeen)).toBe('');
    if (await control.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error(`${control} is not reached with ${key}.`);
}

/** Goes once around the page with Tab; returns the controls that were not reached or did not show it. */
async function tabThrough(page: Page): Promise<string[]> {
  const count = await page.evaluate((selector) => {
    const controls = [...document.querySelectorAll<HTMLElement>(selector)].filter(
      (control) => control.tabIndex >= 0 && control.checkVisibility({ visibilityProperty: true }),
    );
    for (const control of controls) control.dataset['unreached'] = '';
    return controls.length;
  }, 'a[href], :is(button, input, select, textarea):not(:disabled), summary, [tabindex]');
  expect(count).toBeGreaterThan(5);
  const unseen = new Set<string>();
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  for (let presses = 0; presses < count + 10; presses += 1) {
    await page.keyboard.press('Tab');
    const [fault, left] = await page.evaluate<[string, number]>(LOOK);
    if (fault) unseen.add(fault);
    if (left === 0) break;
  }
  const unreached = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('[data-unreached]')]
      // Of the numbers of a log's lines one at a time is a stop, and which it is moves with the log.
      .filter((control) => control.tabIndex >= 0)
      .map((control) => `not reached: ${control.outerHTML.slice(0, 300)}`),
  );
  return [...unseen, ...unreached];
}

/** Run in the page: what is wrong with how the focus shows, empty where it does. What has it was reached. */
function isFocusSeen(): string {
  const focused = document.activeElement;
  if (!focused || focused === document.body) return '';
  focused.removeAttribute('data-unreached');
  const { outlineStyle, outlineWidth } = getComputedStyle(focused);
  const hasOutline = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) > 0;
  // Drawn inside a box around more than the control, as of a search with its icon; a card's own shadow is outside.
  const ring = focused.parentElement ? getComputedStyle(focused.parentElement).boxShadow : 'none';
  if (!hasOutline && !ring.includes('inset')) return `focus not seen: ${focused.outerHTML.slice(0, 300)}`;
  const { top, bottom, left, right } = focused.getBoundingClientRect();
  const isInSight = bottom > 0 && top < innerHeight && right > 0 && left < innerWidth;
  return isInSight ? '' : `focus out of sight: ${focused.outerHTML.slice(0, 300)}`;
}

/** Both at once: asking the page costs as much as pressing a key. */
const LOOK = `[(${isFocusSeen})(), document.querySelectorAll('[data-unreached]').length]`;

async function hasFocus(control: Locator): Promise<void> {
  await expect.poll(() => control.evaluate((element) => element === document.activeElement)).toBe(true);
  expect(await control.page().evaluate(isFocusSeen)).toBe('');
}
