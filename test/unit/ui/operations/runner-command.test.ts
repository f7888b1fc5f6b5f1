import { isOnlyHere, labelsIn, runnerCommand } from '@reprise/ui/operations/runner-command.ts';
import { expect, test } from 'vitest';

test('a runner is started with one line that a shell takes as it is', () => {
  expect(runnerCommand('https://ci.example', 'rpr_abc')).toBe(
    'REPRISE_SERVER=https://ci.example REPRISE_RUNNER_TOKEN=rpr_abc npx reprise runner',
  );
});

test.each([
  ['http://127.0.0.1:4000', true],
  ['http://localhost:4000', true],
  ['http://ci.localhost', true],
  ['http://[::1]:4000', true],
  ['https://ci.example', false],
  ['http://192.168.0.7:4000', false],
  ['https://localhost.example', false],
])('%s is of use on its own machine alone: %s', (server, is) => {
  expect(isOnlyHere(server)).toBe(is);
});

test('labels are typed between commas, spaces or both', () => {
  expect(labelsIn(' linux,gpu  arm64, linux ')).toEqual(['linux', 'gpu', 'arm64']);
  expect(labelsIn(' , ')).toEqual([]);
});
