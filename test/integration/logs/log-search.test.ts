import { randomBytes } from 'node:crypto';
import { DirectoryLogs } from '@reprise/server/logs/directory-logs.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';

const ATTEMPT = 'attempt0000000000000001a';

test.each<[string, string, string, unknown[]]>([
  ['a word', 'one\nerror: two\nthree\n', 'error', [{ line: 2, offset: 4, text: 'error: two' }]],
  [
    'whatever the case',
    'ERROR\nErRoR\n',
    'eRrOr',
    [
      { line: 1, offset: 0, text: 'ERROR' },
      { line: 2, offset: 6, text: 'ErRoR' },
    ],
  ],
  [
    'umlauts and other scripts, whatever the case',
    'GRÖSSE\nΑΒΓ\n',
    'grösse',
    [{ line: 1, offset: 0, text: 'GRÖSSE' }],
  ],
  [
    'a line once, however often it is in it',
    'a a a\nb\na\n',
    'a',
    [
      { line: 1, offset: 0, text: 'a a a' },
      { line: 3, offset: 8, text: 'a' },
    ],
  ],
  ['the last line without a newline', 'x\nfound', 'found', [{ line: 2, offset: 2, text: 'found' }]],
  [
    'offsets after characters of several bytes',
    '€€€\nfound\n',
    'found',
    [{ line: 2, offset: 10, text: 'found' }],
  ],
  [
    'lines after letters that lower-casing makes longer',
    'İİİ\nİx found\n',
    'found',
    [{ line: 2, offset: 7, text: 'İx found' }],
  ],
  [
    'characters that mean something to a regular expression',
    'a.c\nabc\n',
    'a.c',
    [{ line: 1, offset: 0, text: 'a.c' }],
  ],
  ['nothing where there is nothing', 'one\ntwo\n', 'three', []],
  ['nothing across two lines', 'one\ntwo\n', 'onetwo', []],
])('a search finds %s', async (_what, text, wanted, expected) => {
  await using log = await logOf(Buffer.from(text));
  expect(await log.store.search(ATTEMPT, wanted, 100)).toEqual(expected);
});

test('a search ends at its limit', async () => {
  await using log = await logOf(Buffer.from('hit\n'.repeat(1000)));
  const matches = await log.store.search(ATTEMPT, 'hit', 7);
  expect(matches.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test('a search that nobody waits for any more ends', async () => {
  await using log = await logOf(Buffer.from('hit\n'));
  await expect(log.store.search(ATTEMPT, 'hit', 7, AbortSignal.abort())).rejects.toThrow(/aborted/);
});

test('of a long line the part around what was found is shown', async () => {
  await using log = await logOf(Buffer.from(`${'x'.repeat(5000)}needle${'y'.repeat(5000)}\n`));
  const [match] = await log.store.search(ATTEMPT, 'NEEDLE', 7);
  expect(match?.text).toMatch(/^x{100,300}needley{100,300}$/);
});

test('a line of many megabytes is searched in pieces, also where they meet, and what follows keeps its number', async () => {
  const long = Buffer.alloc(3_000_000, 'x€');
  for (const at of [524_280, 1_048_570, 1_572_862, 2_999_990]) {
    const line = Buffer.from(long);
    line.write('needle', at);
    await using log = await logOf(
      Buffer.concat([Buffer.from('first\n'), line, Buffer.from('\nafter needle\n')]),
    );
    expect(await log.store.search(ATTEMPT, 'needle', 7)).toEqual([
      { line: 2, offset: 6, text: expect.stringContaining('needle') },
      { line: 3, offset: 3_000_007, text: 'after needle' },
    ]);
  }
});

test('bytes that are no text are held, counted and searched like any others', async () => {
  const bytes = Buffer.concat([randomBytes(1_000_000), Buffer.from('\nneedle\n')]);
  await using log = await logOf(bytes);
  const matches = await log.store.search(ATTEMPT, 'needle', 7);
  expect(matches.at(-1)).toMatchObject({ offset: 1_000_001, text: 'needle' });
  const number = await log.store.lineAt(ATTEMPT, 1_000_001);
  expect(matches.at(-1)?.line).toBe(number);
  expect(bytes.toString('latin1').split('\n').length - 1).toBe(number);
});

const pieces = fc.array(
  fc.oneof(
    fc.constantFrom('\n', 'a', 'Needle', 'é', '€uro', '\r\n', ''),
    fc.nat(200_000).map((length) => 'z'.repeat(length)),
    fc.nat(30_000).map((lines) => 'short\n'.repeat(lines)),
  ),
  { minLength: 1, maxLength: 25 },
);

test('whatever was appended, lines, places and matches are those of the whole text', async () => {
  await fc.assert(
    fc.asyncProperty(pieces, fc.nat(), async (parts, seed) => {
      using dir = tempDir();
      await using store = new DirectoryLogs({ dir: dir.path });
      const arrivals: { offset: number; at: number }[] = [];
      let size = 0;
      for (const [at, part] of parts.entries()) {
        const bytes = Buffer.from(part);
        if (bytes.length > 0) arrivals.push({ offset: size, at });
        await store.append(ATTEMPT, size, bytes, at);
        size += bytes.length;
      }
      const expected = modelOf(parts.join(''), arrivals);
      const from = 1 + (seed % Math.max(1, expected.length));
      const { lines, total } = await store.lines(ATTEMPT, { from, count: 20 });
      expect(total).toBe(expected.length);
      for (const [n, line] of lines.entries()) {
        const { text, ...rest } = expected[from - 1 + n] ?? { text: '' };
        expect(line).toMatchObject(rest);
        expect(text.startsWith(line.text)).toBe(true);
        expect(await store.lineAt(ATTEMPT, line.offset)).toBe(line.number);
      }
      expect(lines.length).toBe(Math.min(20, expected.length - from + 1));
      const hits = expected.filter(({ text }) => text.toLowerCase().includes('needle'));
      const matches = await store.search(ATTEMPT, 'needle', 1000);
      expect(matches.map(({ line, offset }) => [line, offset])).toEqual(
        hits.map(({ number, offset }) => [number, offset]),
      );
    }),
    { numRuns: 30 },
  );
});

/** The lines of a text, and when the bytes at their beginnings came. */
function modelOf(text: string, arrivals: { offset: number; at: number }[]) {
  const parts = text.split('\n');
  if (parts.at(-1) === '') parts.pop();
  let offset = 0;
  return parts.map((line, index) => {
    const length = Buffer.byteLength(line);
    const at = arrivals.findLast((arrival) => arrival.offset <= offset)?.at ?? 0;
    const made = { number: index + 1, offset, length, at, text: line };
    offset += length + 1;
    return made;
  });
}

async function logOf(bytes: Buffer): Promise<{ store: DirectoryLogs } & AsyncDisposable> {
  const dir = tempDir();
  const store = new DirectoryLogs({ dir: dir.path });
  await store.append(ATTEMPT, 0, bytes, 1);
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      dir[Symbol.dispose]();
    },
  };
}
