import { type Candidate, whyWaiting } from '@reprise/server/queue/why.ts';
import { expect, test } from 'vitest';

test.each<[string, string[], Partial<Candidate>[], string]>([
  ['nobody', ['linux'], [], 'there is no runner: add one'],
  ['one label missing', ['linux', 'gpu'], [{}], 'no runner has the label gpu'],
  ['two labels missing', ['arm', 'gpu'], [{}], 'no runner has the labels arm, gpu'],
  [
    'the labels on different runners',
    ['linux', 'gpu'],
    [{}, { labels: ['gpu'] }],
    'no runner has all of the labels linux, gpu',
  ],
  ['not connected', ['linux'], [{ connected: false }], 'the only runner with linux is not connected'],
  [
    'draining',
    ['linux'],
    [{ draining: true }, { draining: true }, { connected: false }],
    'all 2 runners with linux are draining',
  ],
  [
    'busy',
    ['linux'],
    [{ running: 1 }, { running: 2, capacity: 2 }, { draining: true }],
    'all 2 runners with linux are busy',
  ],
  ['the only one busy', [], [{ running: 1 }], 'the only runner is busy'],
  ['one is free', ['linux'], [{ running: 1 }, {}], ''],
])('%s', (_title, runsOn, runners, expected) => {
  const candidates = runners.map((runner, at) => ({
    name: `runner-${at}`,
    labels: ['linux'],
    connected: true,
    draining: false,
    running: 0,
    capacity: 1,
    ...runner,
  }));
  expect(whyWaiting(runsOn, candidates)).toBe(expected);
});
