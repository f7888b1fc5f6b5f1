import type { TriggerEvent } from '@reprise/pipelines/trigger.ts';
import { decideTrigger } from '@reprise/pipelines/trigger.ts';
import { describe, expect, test } from 'vitest';
import { read } from './read.ts';

const push = (branch: string, paths: string[] | null = null): TriggerEvent => ({
  kind: 'push',
  branch,
  paths,
  headSubject: 'Add a thing',
});
const tag = (name: string): TriggerEvent => ({ kind: 'tag', tag: name, headSubject: 'Add a thing' });
const pullRequest = (base: string, paths: string[] | null = null): TriggerEvent => ({
  kind: 'pull_request',
  base,
  paths,
  headSubject: 'Add a thing',
});

/** Why not, or `built`. */
function decide(on: string | null, event: TriggerEvent): string {
  const line = on === null ? '' : `on: ${on}\n`;
  const decision = decideTrigger(read(`version: 1\n${line}jobs: {a: {steps: [{run: x}]}}`).on, event);
  return decision.build ? 'built' : decision.why;
}

const BUILT = 'built';

describe.each<[on: string | null, rows: [TriggerEvent, string][]]>([
  [
    null,
    [
      [push('main'), BUILT],
      [push('any/branch', []), BUILT],
      [tag('v1'), BUILT],
      [pullRequest('main'), BUILT],
    ],
  ],
  [
    '{}',
    [
      [push('main'), 'The pipeline file does not list push under on.'],
      [tag('v1'), 'The pipeline file does not list push under on.'],
      [pullRequest('main'), 'The pipeline file does not list pull_request under on.'],
    ],
  ],
  [
    'push',
    [
      [push('main'), BUILT],
      [tag('v1'), BUILT],
      [pullRequest('main'), 'The pipeline file does not list pull_request under on.'],
    ],
  ],
  [
    '{push: {branches: [main, "release/**"]}}',
    [
      [push('main'), BUILT],
      [push('release/1/x'), BUILT],
      [push('next'), 'Branch next is not among on.push.branches (main, release/**).'],
      [tag('v1'), 'on.push lists only branches, so tags are not built.'],
    ],
  ],
  [
    '{push: {tags: "v*"}}',
    [
      [tag('v1'), BUILT],
      [tag('beta'), 'Tag beta is not among on.push.tags (v*).'],
      [push('main'), 'on.push lists only tags, so branches are not built.'],
    ],
  ],
  [
    '{push: {branches: ["**", "!wip/**", wip/but-this]}}',
    [
      [push('main'), BUILT],
      [push('wip/a'), 'Branch wip/a is not among on.push.branches (**, !wip/**, wip/but-this).'],
      [push('wip/but-this'), BUILT],
    ],
  ],
  [
    '{push: {branches: ["!wip/**"]}}',
    [
      [push('main'), BUILT],
      [push('wip/a'), 'Branch wip/a is not among on.push.branches (!wip/**).'],
    ],
  ],
  [
    '{push: {paths: ["!docs/**"]}}',
    [
      [push('main', ['docs/a.md', 'src/a.ts']), BUILT],
      [push('main', ['docs/a.md']), 'No changed file is among on.push.paths (!docs/**).'],
      [push('main', []), 'No changed file is among on.push.paths (!docs/**).'],
      [push('main', null), BUILT],
      [push('main', Array(1001).fill('docs/a.md')), BUILT],
      [tag('v1'), BUILT],
    ],
  ],
  [
    '{pull_request: {branches: main, paths: [src/**, "!**/*.md"]}}',
    [
      [pullRequest('main', ['src/a.ts']), BUILT],
      [
        pullRequest('main', ['src/a.md']),
        'No changed file is among on.pull_request.paths (src/**, !**/*.md).',
      ],
      [pullRequest('next', ['src/a.ts']), 'Base branch next is not among on.pull_request.branches (main).'],
    ],
  ],
])('on: %s', (on, rows) => {
  test.each(rows)('%j: %s', (event, outcome) => expect(decide(on, event)).toBe(outcome));
});

test('a long list of patterns is cut in the sentence', () => {
  const names = Array.from({ length: 20 }, (_, n) => `b${n}`);
  expect(decide(`{push: {branches: [${names}]}}`, push('main'))).toBe(
    'Branch main is not among on.push.branches (b0, b1, b2, b3, b4, b5, b6, b7, …).',
  );
});

describe.each([push('main'), tag('v1'), pullRequest('main')])('$kind', (event) => {
  test.each([
    ['Fix it [skip ci]', "The head commit's subject says [skip ci]."],
    ['[CI skip] fix it', "The head commit's subject says [CI skip]."],
    ['Fix it\n\n[skip ci]', BUILT],
    ['skip ci', BUILT],
    ['', BUILT],
  ])('whose head commit says %j', (headSubject, outcome) => {
    expect(decide(null, { ...event, headSubject })).toBe(outcome);
  });
});
