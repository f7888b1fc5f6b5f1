import { readFileSync, writeFileSync } from 'node:fs';
import { parsePipeline } from '@reprise/pipelines/parse.ts';
import { runInit } from '@reprise/server/cli/init.ts';
import { expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';

/** Runs `reprise init` and answers its exit code and what it prints. */
async function init(directory: string, o: { template?: string; json?: boolean } = {}) {
  const printed: string[] = [];
  const code = await runInit({ directory, json: false, ...o, out: (line) => printed.push(line) });
  return { code, printed };
}

test('writes a valid file chosen by what the repository holds, and says which, why and what next', async () => {
  using dir = tempDir();
  writeFileSync(dir.join('Makefile'), 'all:\n');
  const { code, printed } = await init(dir.path);
  expect(code).toBe(0);
  expect(printed[0]).toBe(
    `Wrote ${dir.join('.reprise.yml')} from the template make, because there is a Makefile.`,
  );
  expect(printed.slice(1).join('\n')).toMatch(/reprise validate[\s\S]*git add \.reprise\.yml/);
  expect(parsePipeline(readFileSync(dir.join('.reprise.yml'))).problems).toEqual([]);
});

test('the artifact is named after the folder', async () => {
  using dir = tempDir();
  await init(dir.path);
  const { pipeline } = parsePipeline(readFileSync(dir.join('.reprise.yml')));
  expect(pipeline?.jobs[0]?.artifacts[0]?.name).toMatch(/^reprise-test-/);
});

test('never overwrites', async () => {
  using dir = tempDir();
  writeFileSync(dir.join('.reprise.yml'), 'mine');
  const { code, printed } = await init(dir.path);
  expect([code, printed]).toEqual([1, [`${dir.join('.reprise.yml')} exists already; nothing was changed.`]]);
  expect(readFileSync(dir.join('.reprise.yml'), 'utf8')).toBe('mine');
});

test('a template can be asked for by name', async () => {
  using dir = tempDir();
  writeFileSync(dir.join('package.json'), '{}');
  const { code, printed } = await init(dir.path, { template: 'python', json: true });
  expect(code).toBe(0);
  expect(printed.map((line) => JSON.parse(line))).toEqual([
    { file: dir.join('.reprise.yml'), template: 'python', why: 'as asked for' },
  ]);
});

test('an unknown template is a wrong use, and the nearest is named', async () => {
  using dir = tempDir();
  expect(await init(dir.path, { template: 'pyton' })).toEqual({
    code: 2,
    printed: ['There is no template "pyton"; did you mean "python"?'],
  });
  const { code, printed } = await init(dir.path, { template: 'cobol', json: true });
  expect([code, printed.map((line) => JSON.parse(line))]).toEqual([
    2,
    [{ error: 'There is no template "cobol"; there are node, python, make, static' }],
  ]);
});

test('a folder that does not exist is a wrong use', async () => {
  using dir = tempDir();
  const { code, printed } = await init(dir.join('none'));
  expect([code, printed[0]]).toEqual([2, expect.stringContaining('cannot be read')]);
});
