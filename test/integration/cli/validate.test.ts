import { writeFileSync } from 'node:fs';
import { runValidate } from '@reprise/server/cli/validate.ts';
import { expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';

const VALID = 'version: 1\njobs: {test: {steps: [{run: x}]}, pack: {needs: test, steps: [{run: x}]}}';
const BROKEN = 'version: 1\njobs:\n  test:\n    timout: 5\n    steps: [{run: 5}]\n';

/** What `reprise validate` prints and exits with for a file of that content; null for no file. */
async function validate(content: string | Uint8Array | null, json = false) {
  using dir = tempDir();
  const file = dir.join('.reprise.yml');
  if (content !== null) writeFileSync(file, content);
  const printed: string[] = [];
  const complained: string[] = [];
  const code = await runValidate({
    file,
    json,
    out: (line) => printed.push(line.replaceAll(dir.path, '')),
    err: (line) => complained.push(line.replaceAll(dir.path, '')),
  });
  return { code, printed, complained };
}

test('a valid file is said to be, with its jobs', async () => {
  expect(await validate(VALID)).toEqual({
    code: 0,
    printed: ['/.reprise.yml is valid: jobs test, pack.'],
    complained: [],
  });
});

test('every problem is a line that begins with file:line:column', async () => {
  const { code, printed } = await validate(BROKEN);
  expect(code).toBe(1);
  expect(printed).toEqual([
    '/.reprise.yml:4:5: "timout" is not known in jobs.test; did you mean "timeout"?',
    '/.reprise.yml:5:19: run must be a script, as text',
  ]);
});

test('scripts get one JSON object', async () => {
  const valid = await validate(VALID, true);
  expect(valid.printed.map((line) => JSON.parse(line))).toEqual([
    { file: '/.reprise.yml', valid: true, problems: [], jobs: ['test', 'pack'] },
  ]);
  const broken = await validate(BROKEN, true);
  expect(JSON.parse(broken.printed.join(''))).toMatchObject({
    valid: false,
    problems: [
      { line: 4, column: 5 },
      { line: 5, column: 19, message: 'run must be a script, as text' },
    ],
  });
  expect([valid.code, broken.code]).toEqual([0, 1]);
});

test('a file that does not exist is a wrong use, and init is named', async () => {
  expect(await validate(null)).toEqual({
    code: 2,
    printed: [],
    complained: ['/.reprise.yml does not exist; "reprise init" writes one'],
  });
});

test('a directory is a wrong use', async () => {
  using dir = tempDir();
  const complained: string[] = [];
  const code = await runValidate({
    file: dir.path,
    json: false,
    out: () => {},
    err: (line) => complained.push(line),
  });
  expect([code, complained]).toEqual([2, [expect.stringContaining(`${dir.path} cannot be read`)]]);
});

test('a file that is too large or no text has a problem', async () => {
  const large = await validate('#'.repeat(1024 * 1024 + 1));
  expect(large).toMatchObject({ code: 1, printed: ['/.reprise.yml:1:1: the file is larger than 1 MiB'] });
  const binary = await validate(Uint8Array.of(0xff, 0xfe));
  expect(binary).toMatchObject({ code: 1, printed: ['/.reprise.yml:1:1: the file is not UTF-8 text'] });
});
