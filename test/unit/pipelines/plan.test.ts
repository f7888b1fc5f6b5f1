// biome-ignore-all lint/suspicious/noTemplateCurlyInString: expressions of the pipeline language look like that
import { readFileSync } from 'node:fs';
import type { BuildFacts } from '@reprise/pipelines/model.ts';
import { planBuild } from '@reprise/pipelines/plan.ts';
import { expect, test } from 'vitest';
import { read } from './read.ts';

const facts: BuildFacts = {
  project: 'shop',
  number: 12,
  url: 'https://ci.example/projects/shop/builds/12',
  commit: '1a2b3c4d5e6f1a2b3c4d5e6f1a2b3c4d5e6f1a2b',
  ref: 'refs/heads/main',
  branch: 'main',
  tag: '',
  pullRequest: '',
  version: '1.4.2',
  sourceDateEpoch: 1_770_000_000,
};

function planOf(text: string, changed: Partial<BuildFacts> = {}) {
  const { plan, problems } = planBuild(read(text), { ...facts, ...changed });
  if (plan === null) throw new Error(problems[0]?.message);
  return plan;
}

test('jobs come behind what they need, and otherwise in the order of the file', () => {
  const job = (needs: string) => `{needs: ${needs}, steps: [{run: x}]}`;
  const { jobs } = planOf(`
version: 1
jobs:
  publish: ${job('[package, lint]')}
  lint: { steps: [{run: x}] }
  package: ${job('test')}
  docs: { steps: [{run: x}] }
  test: { steps: [{run: x}] }`);
  expect(jobs.map(({ name }) => name)).toEqual(['lint', 'docs', 'test', 'package', 'publish']);
});

test('build facts replace expressions in names and in values of env', () => {
  const { jobs } = planOf(`
version: 1
env: { ALL: "\${{build.project}} \${{ build.number }} \${{ build.url }} \${{ build.ref }}|\${{ build.tag }}|" }
jobs:
  a:
    name: Build \${{ build.branch }}
    env: { COMMIT: "\${{ build.commit }}", PR: "\${{ build.pull-request }}" }
    steps: [{ name: "Pack \${{ build.version }}", run: x, env: { JOB: "\${{ job.name }}" } }]`);
  expect(jobs[0]).toMatchObject({
    title: 'Build main',
    env: {
      ALL: 'shop 12 https://ci.example/projects/shop/builds/12 refs/heads/main||',
      COMMIT: facts.commit,
      PR: '',
    },
    steps: [{ name: 'Pack 1.4.2', env: { JOB: 'a' } }],
  });
});

test('what a fact holds is not looked at again', () => {
  const branch = '${{build.commit}}$&$1';
  const { jobs } = planOf('version: 1\nenv: {B: "${{ build.branch }}"}\njobs: {a: {steps: [{run: x}]}}', {
    branch,
  });
  expect(jobs[0]?.env).toEqual({ B: branch });
});

test('a dollar sign that begins no expression stays', () => {
  const { jobs } = planOf('version: 1\nenv: {B: "${HOME} $$ {{ x }}"}\njobs: {a: {steps: [{run: x}]}}');
  expect(jobs[0]?.env).toEqual({ B: '${HOME} $$ {{ x }}' });
});

test("a job's env wins over the file's, and its folder and network hold for steps that have none", () => {
  const { jobs } = planOf(`
version: 1
env: { A: file, B: file }
jobs:
  a:
    env: { B: job }
    network: none
    working-directory: web
    steps: [{ run: x, env: { A: step } }, { run: y, network: egress, working-directory: api }]`);
  expect(jobs[0]).toMatchObject({
    env: { A: 'file', B: 'job' },
    steps: [
      { env: { A: 'step' }, network: 'none', workingDirectory: 'web' },
      { env: {}, network: 'egress', workingDirectory: 'api' },
    ],
  });
});

test('a name is cut where a fact makes it longer than the protocol allows', () => {
  const { jobs } = planOf('version: 1\njobs: {a: {steps: [{name: "${{ build.branch }}", run: x}]}}', {
    branch: 'b'.repeat(250),
  });
  expect(jobs[0]?.steps[0]?.name).toBe('b'.repeat(200));
});

test('an env that the facts make too large is refused by the name of its job', () => {
  const text = `version: 1\nenv: {A: "${'${{ build.branch }}'.repeat(500)}"}\njobs: {a: {steps: [{run: x}]}}`;
  const { plan, problems } = planBuild(read(text), { ...facts, branch: 'b'.repeat(200) });
  expect(plan).toBeNull();
  expect(problems).toEqual([
    { line: 1, column: 1, message: 'the env of job "a" is too large once this build\'s facts are filled in' },
  ]);
});

test('the same file and facts give the same plan, byte for byte', () => {
  const shop = readFileSync(new URL('./shop.yml', import.meta.url), 'utf8');
  expect(JSON.stringify(planOf(shop))).toBe(JSON.stringify(planOf(shop)));
});

test('planning leaves the pipeline as it was', () => {
  const pipeline = read('version: 1\nenv: {A: "${{ build.tag }}"}\njobs: {a: {steps: [{run: x}]}}');
  const before = structuredClone(pipeline);
  planBuild(pipeline, facts);
  expect(pipeline).toEqual(before);
});

test('a step has the secrets that it and its job name; where there are none the plan does not speak of them', () => {
  const { jobs } = planOf(`
version: 1
jobs:
  a: { secrets: B, steps: [{ run: x, secrets: [C, A] }, { run: y }] }
  b: { steps: [{ run: x }] }`);
  expect(jobs[0]?.steps.map(({ secrets }) => secrets)).toEqual([['A', 'B', 'C'], ['B']]);
  expect(JSON.stringify(jobs[1])).not.toContain('secrets');
});

test('a concurrency group holds the facts of the build, and is none where they are empty', () => {
  const text = `
version: 1
jobs:
  docs: { concurrency: docs, priority: -5, steps: [{run: x}] }
  site: { concurrency: { group: "site \${{ build.branch }}", limit: 2 }, steps: [{run: x}] }
  try: { concurrency: "\${{ build.branch }}", steps: [{run: x}] }`;
  expect(planOf(text).jobs).toMatchObject([
    { concurrency: { group: 'docs', limit: 1 }, priority: -5 },
    { concurrency: { group: 'site main', limit: 2 } },
    { concurrency: { group: 'main', limit: 1 } },
  ]);
  const [, site, tried] = planOf(text, { branch: '', tag: 'v1' }).jobs;
  expect(site).toMatchObject({ concurrency: { group: 'site', limit: 2 } });
  expect(tried).not.toHaveProperty('concurrency');
  expect(site).not.toHaveProperty('priority');
});

test('which superseded builds are cancelled is part of the plan', () => {
  const at = (line: string) => planOf(`version: 1\n${line}\njobs: { a: { steps: [{run: x}] } }`);
  expect(at('cancel-superseded: queued').cancelSuperseded).toEqual({
    builds: 'queued',
    defaultBranch: false,
  });
  expect(at('cancel-superseded: { builds: running, default-branch: true }').cancelSuperseded).toEqual({
    builds: 'running',
    defaultBranch: true,
  });
  expect(at('')).not.toHaveProperty('cancelSuperseded');
});
