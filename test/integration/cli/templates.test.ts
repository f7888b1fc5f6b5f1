import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { StepDefinition } from '@reprise/pipelines/model.ts';
import { parsePipeline } from '@reprise/pipelines/parse.ts';
import type { Template } from '@reprise/pipelines/template.ts';
import { runInit } from '@reprise/server/cli/init.ts';
import { expect, test } from 'vitest';
import { makeRepository } from '../../rig/repository.ts';
import { tempDir } from '../../rig/temp.ts';

/** What is in a small repository of each kind, and what must be there after its build. */
const REPOSITORIES: Record<Template, { files: Record<string, string>; made: string }> = {
  node: {
    files: {
      'package.json': JSON.stringify({
        name: 'shop',
        version: '1.0.0',
        scripts: { test: 'node -e "require(\'assert\')(true)"', build: 'mkdir dist && cp index.js dist/' },
      }),
      'index.js': 'console.log(1)\n',
    },
    made: 'dist/index.js',
  },
  python: {
    files: {
      'setup.cfg': '',
      'pyproject.toml': '[tool.other]\n',
      'test_shop.py':
        'import unittest\n\nclass Shop(unittest.TestCase):\n    def test(self):\n        open("tested", "w")\n',
    },
    made: 'tested',
  },
  make: {
    files: { Makefile: 'all:\n\techo built > out\ncheck: all\n\ttest -s out && echo ok > checked\n' },
    made: 'checked',
  },
  static: { files: { 'index.html': '<p>Hello</p>\n' }, made: 'index.html' },
};

test.each(Object.entries(REPOSITORIES))(
  'the template %s, chosen by init, builds and tests such a repository without a network',
  async (template, { files, made }) => {
    using dir = tempDir();
    const repository = makeRepository(dir.join('shop'));
    repository.commit('Begin', files);
    const printed: string[] = [];
    await runInit({ directory: repository.path, json: false, out: (line) => printed.push(line) });
    expect(printed[0]).toContain(`from the template ${template},`);

    const { pipeline } = parsePipeline(readFileSync(dir.join('shop', '.reprise.yml')));
    mkdirSync(dir.join('home'));
    for (const step of pipeline?.jobs[0]?.steps ?? []) {
      runStep(step, { cwd: repository.path, home: dir.join('home'), env: pipeline?.env ?? {} });
    }
    expect(existsSync(dir.join('shop', made))).toBe(true);
  },
);

test('the static template fails for an empty page and names it', async () => {
  using dir = tempDir();
  writeFileSync(dir.join('empty.html'), '');
  await runInit({ directory: dir.path, template: 'static', json: false, out: () => {} });
  const [step] = parsePipeline(readFileSync(dir.join('.reprise.yml'))).pipeline?.jobs[0]?.steps ?? [];
  if (step === undefined) throw new Error('no step');
  expect(() => runStep(step, { cwd: dir.path, home: dir.path, env: {} })).toThrow(
    expect.objectContaining({ stdout: expect.stringContaining('./empty.html') }),
  );
});

/** Runs a step's script as a runner does, but with the tools of this machine and without a sandbox. */
function runStep(step: StepDefinition, o: { cwd: string; home: string; env: Record<string, string> }): void {
  execFileSync('bash', ['-eo', 'pipefail', '-c', step.run], {
    cwd: o.cwd,
    env: {
      ...o.env,
      PATH: process.env['PATH'],
      HOME: o.home,
      CI: 'true',
      REPRISE_PATH: `${o.home}/path`,
      npm_config_offline: 'true',
    },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
