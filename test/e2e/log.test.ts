import type { WebSocketRoute } from 'playwright-core';
import { expect, test } from 'vitest';
import { openBrowser } from '../rig/chromium.ts';
import { HOSTILE_LINES } from '../rig/hostile-texts.ts';
import { stepState } from '../rig/puppet-runner.ts';
import { bringAxe, faultsIn } from './axe.ts';
import { LogBuild, LogOnPage } from './log-build.ts';

const numbered = (count: number, from = 1) =>
  Array.from({ length: count }, (_, at) => `line ${from + at}\n`).join('');

test('a log is followed live to its end, and read again in the middle shows the same lines once', async () => {
  await using build = await LogBuild.start();
  await using browser = await openBrowser();
  await using who = await build.visit(browser);
  await build.write(numbered(300));
  const shown = await LogOnPage.open(who.page, build.path);
  await shown.text(300).waitFor();
  await build.write(numbered(500, 301));
  await shown.text(800).waitFor();
  await build.write('half a li');
  await shown.text(801).getByText('half a li', { exact: true }).waitFor();
  await who.page.reload();
  await build.write(`ne\n${numbered(200, 802)}`);
  await shown.text(1001).waitFor();
  await build.finish('passed');
  await who.page.getByRole('button', { name: 'Follow' }).waitFor({ state: 'detached' });
  expect(await shown.readAll()).toEqual(build.text.trimEnd().split('\n'));
});

test('a lost connection leaves no gap and no double line', async () => {
  await using build = await LogBuild.start();
  await using browser = await openBrowser();
  await using who = await build.visit(browser);
  const sockets: WebSocketRoute[] = [];
  await who.page.routeWebSocket(/socket\.io/, (socket) => {
    socket.connectToServer();
    sockets.push(socket);
  });
  await build.write('first\n');
  const shown = await LogOnPage.open(who.page, build.path);
  for (let round = 0; round < 5; round += 1) {
    await build.write(numbered(400, round * 400 + 2));
    await sockets.at(-1)?.close({ code: 1001 });
    await build.write(`caf`);
    await build.write(Buffer.from('é\n').subarray(0, 1));
    await build.write(Buffer.from('é\n').subarray(1));
    await shown
      .text(round * 401 + 402)
      .getByText('café', { exact: true })
      .waitFor();
  }
  expect(sockets.length).toBeGreaterThan(5);
  await build.finish('passed');
  expect(await shown.readAll()).toEqual(build.text.trimEnd().split('\n'));
});

test('who scrolls up stays there while the log grows, and follows again at the end', async () => {
  await using build = await LogBuild.start();
  await using browser = await openBrowser();
  await using who = await build.visit(browser);
  await build.write(numbered(500));
  const shown = await LogOnPage.open(who.page, build.path);
  const follow = who.page.getByRole('button', { name: 'Follow', exact: true });
  await shown.text(500).waitFor();
  expect(await follow.getAttribute('aria-pressed')).toBe('true');
  await shown.log.hover();
  await who.page.mouse.wheel(0, -2000);
  await follow.and(who.page.locator('[aria-pressed="false"]')).waitFor();
  const before = await shown.seen();
  await build.write(numbered(500, 501));
  await expect.poll(() => shown.log.evaluate((log) => log.scrollHeight)).toBeGreaterThanOrEqual(1000 * 20);
  expect(await shown.seen()).toEqual(before);
  await who.page.keyboard.press('f');
  await shown.text(1000).waitFor();
  expect((await shown.seen()).at(-1)).toBe(1000);
});

test('every line of a log that is higher than a browser makes an element can be reached', async () => {
  await using build = await LogBuild.start();
  await build.write('n\n'.repeat(2_000_000));
  await build.finish('passed');
  await using browser = await openBrowser();
  await using who = await build.visit(browser);
  const shown = await LogOnPage.open(who.page, build.path);
  await shown.text(2_000_000).getByText('n').waitFor();
  await shown.log.focus();
  await who.page.keyboard.press('Home');
  await shown.text(1).getByText('n').waitFor();
  await who.page.keyboard.press('End');
  await shown.text(2_000_000).getByText('n').waitFor();
  await who.page.goto(`${build.path}#L1234567`);
  await shown.text(1_234_567).getByText('n').waitFor();
  expect(await shown.seen()).toContain(1_234_567);
  await shown.log.hover();
  const reached = new Set<number>();
  for (let turn = 0; turn < 20; turn += 1) {
    for (const line of await shown.seen()) reached.add(line);
    const before = (await shown.seen())[0];
    await who.page.mouse.wheel(0, 100);
    await expect.poll(async () => (await shown.seen())[0]).toBeGreaterThan(before ?? 0);
  }
  const lines = [...reached].sort((one, other) => one - other);
  expect(lines.every((line, at) => at === 0 || line === (lines[at - 1] ?? 0) + 1)).toBe(true);
  expect(await who.page.locator('*').count()).toBeLessThan(1500);
});

test('lines are chosen, linked and copied without their numbers', async () => {
  await using build = await LogBuild.start();
  await build.write(`${numbered(50)}\x1b[31mred\x1b[0m and \ttab\n${numbered(400, 52)}`);
  await build.finish('passed');
  await using browser = await openBrowser();
  await using who = await build.visit(browser);
  const shown = await LogOnPage.open(who.page, build.path);
  await who.page.getByRole('button', { name: 'To the top' }).click();
  await shown.number(3).click();
  await shown.number(6).click({ modifiers: ['Shift'] });
  await who.page.waitForURL(/#L3-L6$/);
  const clipboard = () => who.page.evaluate(() => navigator.clipboard.readText());
  await who.page.getByRole('button', { name: 'Copy text' }).click();
  await expect.poll(clipboard).toBe('line 3\nline 4\nline 5\nline 6');
  await who.page
    .getByRole('button', { name: /link to the chosen lines/ })
    .or(who.page.getByText('Copy link'))
    .first()
    .click();
  await expect.poll(clipboard).toBe(`${build.server.address}${build.path}#L3-L6`);
  await who.page.getByRole('button', { name: 'Choose no line' }).click();
  await who.page.evaluate(() => location.assign('#L50'));
  await shown.text(52).getByText('line 52').waitFor();
  await shown.log.evaluate((log) => {
    const text = (line: number): Node => {
      const row =
        log.querySelector(`[data-line="${line}"]`)?.parentElement?.querySelector('[data-log-text]') ?? log;
      const nodes = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
      while (nodes.nextNode() && nodes.currentNode.textContent === '') {}
      return nodes.currentNode;
    };
    getSelection()?.setBaseAndExtent(text(50), 5, text(52), 4);
  });
  await who.page.keyboard.press('Control+c');
  await expect.poll(clipboard).toBe('50\nred and \ttab\nline');
  await who.page.goto(`${build.path}#L300-L302`);
  await who.page.reload();
  await shown.text(301).getByText('line 301').waitFor();
  expect(await shown.seen()).toEqual(expect.arrayContaining([300, 301, 302]));
  await who.page.getByText('Lines 300 to 302').waitFor();
});

test('a failed step is opened at its first error; steps fold; a search finds what is far away', async () => {
  await using build = await LogBuild.start(['compile', 'test', 'publish']);
  await build.write('Cloning\n');
  const compile = build.size;
  await build.write(numbered(30_000, 2));
  const unit = build.size;
  await build.write(`${numbered(200, 30_002)}cart.test.ts:3:1: error: expected 3\n${numbered(300, 30_203)}`);
  const steps = [
    stepState('compile', { status: 'passed', exitCode: 0, logOffset: compile, finishedMs: 2000 }),
    stepState('test', { status: 'failed', exitCode: 1, logOffset: unit, startedMs: 2000, finishedMs: 3000 }),
    stepState('publish', { status: 'skipped', logOffset: null, startedMs: null }),
  ];
  await build.finish('failed', steps);
  await using browser = await openBrowser();
  await using who = await build.visit(browser);
  const shown = await LogOnPage.open(who.page, build.path);
  await shown.text(30_202).getByText('error: expected 3').waitFor();
  await expect.poll(() => shown.seen()).toContain(30_202);

  await who.page.keyboard.press('/');
  await who.page.keyboard.type('LINE 1234');
  await who.page.keyboard.press('Enter');
  await shown.text(1234).locator('.ansi-match').waitFor();
  await who.page.getByText(/^1 of 11$/).waitFor();
  await shown.log.focus();
  await who.page.keyboard.press('n');
  await shown.text(12_340).locator('.ansi-match').waitFor();
  await who.page.keyboard.press('N');
  await who.page.getByText(/^1 of 11$/).waitFor();
  await who.page.getByRole('button', { name: 'List' }).click();
  await who.page.getByRole('button', { name: '12349' }).click();
  await expect.poll(() => shown.seen()).toContain(12_349);
  await who.page.keyboard.press('/');
  await who.page.keyboard.press('Escape');

  await who.page.getByRole('button', { name: 'To the top' }).click();
  await shown.step('compile').click();
  await expect.poll(() => shown.seen()).toEqual(expect.arrayContaining([1, 30_002]));
  expect(await shown.step('compile').getAttribute('aria-expanded')).toBe('false');
  await who.page.goto(`${build.path}#L20000`);
  await expect.poll(() => shown.seen()).toContain(20_000);
});

test('hostile lines run nothing, are rows like others, and say nothing that they hide', async () => {
  await using build = await LogBuild.start();
  await build.write(`${HOSTILE_LINES.map(([, text]) => text).join('\n')}\n`);
  await build.write(
    Buffer.concat([Buffer.from([0xff, 0xfe, 0x80, 0xc3, 0x28, 0xf0, 0x9f]), Buffer.from('\nend\n')]),
  );
  await build.finish('passed');
  await using browser = await openBrowser();
  for (const wraps of [false, true]) {
    await using who = await build.visit(browser, { width: 1000 });
    await who.page.addInitScript(
      (kept) => localStorage.setItem('reprise-log', kept),
      JSON.stringify({ wraps }),
    );
    const shown = await LogOnPage.open(who.page, build.path);
    await who.page.getByRole('button', { name: 'To the end' }).click();
    await shown
      .text(HOSTILE_LINES.length + 2)
      .getByText('end', { exact: true })
      .waitFor();
    expect((await shown.readAll()).length).toBe(HOSTILE_LINES.length + 2);
    const found = await who.page.evaluate(() => {
      const log = document.querySelector('[role="log"]');
      const rows = [...(log?.querySelectorAll('[data-line]') ?? [])].map(
        (number) => number.parentElement?.getBoundingClientRect() ?? new DOMRect(),
      );
      return {
        ran: '__x' in window,
        wide: document.documentElement.scrollWidth > innerWidth,
        apart: rows.every((row, at) => at === 0 || Math.abs((rows[at - 1]?.bottom ?? 0) - row.top) < 1),
        links: [...(log?.querySelectorAll<HTMLAnchorElement>('[data-log-text] a') ?? [])].map(
          ({ protocol }) => protocol,
        ),
      };
    });
    expect(found).toMatchObject({ ran: false, wide: false, apart: true });
    expect(found.links.every((protocol) => /^https?:$/.test(protocol))).toBe(true);
  }
});

test.each(['light', 'dark'] as const)('the %s log violates no rule of WCAG 2.2 AA', async (scheme) => {
  await using build = await LogBuild.start(['colours']);
  const all = Array.from(
    { length: 256 },
    (_, at) => `\x1b[38;5;${at}mtext\x1b[0m \x1b[48;5;${at}mtext\x1b[0m\n`,
  );
  const sixteen = Array.from({ length: 16 }, (_, at) => at + (at < 8 ? 30 : 82));
  const few = sixteen.map(
    (code) => `\x1b[${code}mfg\x1b[0m \x1b[${code + 10}mbg\x1b[0m \x1b[7;${code}min\x1b[0m\n`,
  );
  await build.write(`${few.join('')}\x1b[2mdim\x1b[0m \u202e \x1b[1;3;4;9mmuch\x1b[0m\n${all.join('')}`);
  await build.finish('failed', [stepState('colours', { status: 'failed', exitCode: 1, finishedMs: 1000 })]);
  await using browser = await openBrowser();
  await using who = await build.visit(browser, { scheme });
  await bringAxe(who.page);
  const shown = await LogOnPage.open(who.page, `${build.path}#L2-L8`);
  await shown.text(2).getByText('fg').waitFor();
  await who.page.keyboard.press('/');
  await who.page.keyboard.type('fg');
  await who.page.keyboard.press('Enter');
  await who.page.getByText(/^2 of 16$/).waitFor();
  for (const line of [10, 100, 200]) {
    await shown.log.evaluate((log, place) => {
      log.scrollTop = 20 * place;
    }, line);
    await shown.text(line + 15).waitFor();
    expect(await faultsIn(who.page)).toEqual([]);
  }
});

test('lines are chosen by keyboard alone', async () => {
  await using build = await LogBuild.start();
  await build.write(numbered(500));
  await build.finish('passed');
  await using browser = await openBrowser();
  await using who = await build.visit(browser);
  const shown = await LogOnPage.open(who.page, `${build.path}#L100`);
  await shown.text(100).waitFor();
  await shown.log.focus();
  await who.page.keyboard.press('Tab');
  for (let count = 0; count < 60; count += 1) await who.page.keyboard.press('ArrowDown');
  await expect.poll(() => who.page.evaluate(() => document.activeElement?.textContent)).toBe('160');
  await who.page.keyboard.press('Shift+ArrowUp');
  await who.page.waitForURL(/#L159-L160$/);
  await who.page.keyboard.press('Enter');
  await who.page.waitForURL(/#L159$/);
});

test('a flood of a million lines is shown to its end, and little of it is held', {
  timeout: 180_000,
}, async () => {
  await using build = await LogBuild.start();
  await build.write('first\n');
  await using browser = await openBrowser();
  await using who = await build.visit(browser);
  const shown = await LogOnPage.open(who.page, build.path);
  const chunk = Buffer.from(`${'x'.repeat(49)}\n`.repeat(80_000));
  for (let count = 0; count < 13; count += 1) await build.write(chunk);
  await build.write('last');
  await shown.text(1_040_002).getByText('last', { exact: true }).waitFor({ timeout: 120_000 });
  const devtools = await who.context.newCDPSession(who.page);
  await devtools.send('HeapProfiler.collectGarbage');
  const usage = (await devtools.send('Runtime.getHeapUsage')) as unknown as Record<string, number>;
  const held =
    (usage['usedSize'] ?? 0) + (usage['embedderHeapUsedSize'] ?? 0) + (usage['backingStorageSize'] ?? 0);
  expect(held).toBeLessThan(60_000_000);
  await who.page.getByRole('button', { name: 'To the top' }).click();
  await shown.text(1).getByText('first', { exact: true }).waitFor();
});
