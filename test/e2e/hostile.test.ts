import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { signIn } from '../rig/accounts.ts';
import { openBrowser } from '../rig/chromium.ts';
import { deliver, pushPayload } from '../rig/github.ts';
import { HOSTILE_TEXTS } from '../rig/hostile-texts.ts';
import { Rig } from '../rig/reprise.ts';
import { visit } from './browser.ts';

const TEXTS = Object.values(HOSTILE_TEXTS);

/** What a file may be called: no slash, no control character, not `.` or `..`, at most 255 bytes. */
const FILE_NAMES = TEXTS.filter(
  (text) =>
    !/[/\ufffd\u0000-\u001f\u007f]/.test(text) &&
    !/^\.{0,2}$/.test(text) &&
    text.isWellFormed() &&
    Buffer.byteLength(text) <= 200,
);

const PIPELINE = JSON.stringify({
  version: 1,
  app: { description: '<img src=x onerror="window.__x=1">', owner: '</script><script>window.__x=1</script>' },
  jobs: {
    show: {
      name: '<img src=x onerror="window.__x=1">',
      steps: [
        {
          name: '{{constructor}} <b onmouseover=window.__x=1>',
          run: 'cat hostile.log; mkdir dist; cp -r names/. dist/',
        },
      ],
      artifact: { name: 'names', paths: ['dist'] },
    },
  },
});

test('no text of strangers runs, breaks the layout or offends the policy, on any page that shows it', {
  timeout: 300_000,
}, async () => {
  await using rig = await Rig.start({ command: 'up' });
  const project = await rig.project('shop', {
    '.reprise.yml': PIPELINE,
    'hostile.log': `${TEXTS.join('\n')}\n`,
  });
  await using browser = await openBrowser();
  const ada = await signIn(rig.address, { login: 'ada', role: 'admin' });

  // As file names, and as subject and author of real commits; then as everything that a webhook says.
  const names = Object.fromEntries(FILE_NAMES.map((name) => [`names/${name}`, name]));
  let head = project.repository.commit('Names', names);
  for (const text of TEXTS.filter(
    (text) => !text.includes('\0') && text.isWellFormed() && text.trim() !== '',
  )) {
    writeFileSync(`${project.repository.path}/count`, text.slice(0, 50));
    head = project.repository.commit(text.slice(0, 20_000), {});
  }
  const shown = await rig.push(project, head);
  const first = await rig.ended('shop', shown);
  expect(first.why).toBe('');
  expect(first).toMatchObject({ status: 'passed', artifacts: [{ name: 'names' }] });
  for (const text of TEXTS) {
    const payload = pushPayload({
      github: 'example/shop',
      branch: text,
      after: head,
      before: project.head,
      message: text,
    });
    const [commit] = payload.commits;
    if (commit) commit.author = { name: text, email: text };
    payload.sender = { login: text };
    payload.pusher = { name: text };
    const response = await deliver({ ...project.webhook, event: 'push', payload });
    expect(response.status).toBeLessThan(500);
  }
  const { items } = await rig.api<{ items: { number: number }[] }>(
    'GET',
    '/api/projects/shop/builds?limit=200',
  );
  expect(items.length).toBeGreaterThan(TEXTS.length / 2);

  for (const width of [1280, 360]) {
    await using visitor = await visit(browser, { address: rig.address, cookie: ada.cookie, width });
    const { page } = visitor;
    const opened: string[] = [];
    page.on('dialog', (dialog) => {
      opened.push(dialog.message());
      void dialog.dismiss();
    });
    const sample = items
      .filter((_, at) => at % 12 === 0)
      .map(({ number }) => `/projects/shop/builds/${number}`);
    const places = [
      ...['/', '/projects/shop', '/projects/shop/build', '/queue', '/waiting', '/deliveries', '/audit'],
      ...[`/projects/shop/builds/${shown}`, ...sample],
    ];
    for (const place of places) {
      await page.goto(place, { waitUntil: 'networkidle' });
      const look = await page.evaluate(() => {
        // What scrolls or is cut inside its own place does not widen the page.
        const isContained = (element: Element): boolean => {
          for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
            if (getComputedStyle(at).overflowX !== 'visible') return true;
          return false;
        };
        return {
          widest: [...document.querySelectorAll('main *')]
            .filter(
              (element) =>
                element.getBoundingClientRect().right > window.innerWidth + 1 && !isContained(element),
            )
            .slice(-3)
            .map((element) => `${element.tagName}.${element.className} ${element.textContent?.slice(0, 60)}`),
          canary: '__x' in window,
          wide: document.documentElement.scrollWidth - window.innerWidth,
          heading: document.querySelector('h1')?.textContent?.trim().length ?? 0,
          foreign: document.querySelectorAll('iframe, object, embed, base, script[src*="evil"]').length,
        };
      });
      expect(look, `${place} at ${width} px`).toMatchObject({ canary: false, foreign: 0 });
      expect(
        look.wide,
        `${place} at ${width} px is wider than the window: ${look.widest.join(' | ')}`,
      ).toBeLessThanOrEqual(0);
      expect(look.heading).toBeGreaterThan(0);
    }
    expect(opened).toEqual([]);
    // Links lead nowhere but here, to GitHub, or where a log's own http link leads.
    await page.goto(`/projects/shop/builds/${shown}`, { waitUntil: 'networkidle' });
    const schemes = await page.evaluate(() => [
      ...new Set([...document.links].map(({ protocol }) => protocol)),
    ]);
    expect(schemes.filter((scheme) => !/^(https?|blob):$/.test(scheme))).toEqual([]);
  }
});
