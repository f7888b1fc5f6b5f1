import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ENGINE } from '../../rig/engine.ts';
import { ServerHere } from '../../rig/server-here.ts';

const PIPELINE = "version: 1\njobs:\n  test:\n    steps: [run: 'true']\n";

test('two hundred hostile texts come back as they were sent, and do nothing', async () => {
  await using server = await ServerHere.start();
  const canary = server.path('canary');
  const hostile = hostileTexts(canary);
  expect(hostile).toHaveLength(200);
  const shop = await server.project('hostile', { '.reprise.yml': PIPELINE });
  const numbers: number[] = [];
  for (const [at, text] of hostile.entries()) {
    const person = { name: text, email: text };
    numbers.push(
      await server.push(shop, shop.head, {
        branch: `${at}/${text}`,
        payload: { head_commit: { id: shop.head, message: text, author: person }, sender: { login: text } },
      }),
    );
  }
  const limit = 64 * 1024;
  for (const [at, text] of hostile.entries()) {
    const number = numbers[at] ?? 0;
    if (text === '') {
      // What a delivery does not say, the commit does.
      const { message, author } = await server.planned('hostile', number);
      expect({ message, author }).toMatchObject({ message: 'First', author: { name: 'Ada Example' } });
      continue;
    }
    const { message, author, trigger, branch } = await server.build('hostile', number);
    expect(new Set([message, author.name, author.email, trigger.by]).size, `text ${at}`).toBe(1);
    expect(asKept(text).startsWith(message), `text ${at}`).toBe(true);
    // Whole characters, as many as fit.
    expect(Buffer.byteLength(message)).toBeGreaterThanOrEqual(Math.min(Buffer.byteLength(text), limit - 3));
    // Of a ref, too, as much is kept: with its folder.
    expect(asKept(`${at}/${text}`).startsWith(branch ?? 'none'), `branch ${at}`).toBe(true);
    expect(Buffer.byteLength(`refs/heads/${branch}`)).toBeGreaterThanOrEqual(
      Math.min(Buffer.byteLength(`refs/heads/${at}/${text}`), limit - 3),
    );
  }
  for (const number of numbers.slice(0, 20)) {
    expect((await server.planned('hostile', number)).status).toBe('queued');
  }
  expect(existsSync(canary)).toBe(false);
});

/** PostgreSQL's texts hold no NUL. */
function asKept(text: string): string {
  return ENGINE === 'postgres' ? text.replaceAll('\0', '\uFFFD') : text;
}

/** Shells, options, markup, terminals, databases, paths, formats and plain size, each in a few shapes. */
function hostileTexts(canary: string): string[] {
  const seeds = [
    `$(touch ${canary})`,
    `\`touch ${canary}\``,
    `'; touch ${canary}; '`,
    `"; touch ${canary}; "`,
    `| touch ${canary}`,
    `--upload-pack=touch ${canary}`,
    `--output=${canary}`,
    `-c core.fsmonitor=touch ${canary}`,
    `ext::sh -c touch% ${canary}`,
    '<script>window.__x=1</script>',
    '<img src=x onerror=alert(1)>',
    '"><svg onload=alert(1)>',
    'javascript:alert(1)',
    '\u001b[2J\u001b]0;title\u0007',
    '\u001b]52;c;aGk=\u0007',
    '\u0000nul\u0000',
    '\u202eright to left\u202c',
    '\u200b\ufeff\u2028\u2029',
    "' or 1=1; drop table builds; --",
    '../../../../etc/passwd',
    '..\\..\\windows',
    '%2e%2e%2f%00',
    '{{constructor.constructor("return 1")()}}',
    `\${{ build.commit }}`,
    '%s%n%x %d',
    '\r\nSet-Cookie: a=b\r\n\r\n',
    '__proto__',
    '[object Object]',
    '🏳️‍🌈👩‍👩‍👧‍👦',
    'ＦＵＬＬ ﬁ Å é é',
    'NaN',
    '-1e400',
    'null',
    'true',
    '',
    ' ',
    '\t\n\v\f',
    'x'.repeat(70_000),
    '€'.repeat(30_000),
    '9'.repeat(400),
  ];
  const shapes = [
    (text: string) => text,
    (text: string) => `fix: ${text}\n\nBody`,
    (text: string) => `${text}${text}`,
    (text: string) => text.toUpperCase(),
    (text: string) => JSON.stringify(text),
  ];
  return seeds.flatMap((seed) => shapes.map((shape) => shape(seed)));
}
