import { type Candidate, type Situation, type WaitingJob, whyWaiting } from '@reprise/server/queue/why.ts';
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
  [
    'put aside',
    ['linux'],
    [{ aside: true }],
    'the only runner with linux is put aside because attempts broke on it',
  ],
  [
    'all put aside or draining',
    ['linux'],
    [{ aside: true }, { draining: true }],
    'all 2 runners with linux are draining or put aside because attempts broke on them',
  ],
  [
    'one busy, one put aside',
    ['linux'],
    [{ running: 1 }, { aside: true }],
    'the only runner with linux is busy, and 1 more put aside because attempts broke on it',
  ],
])('%s', (_title, runsOn, runners, expected) => {
  expect(whyWaiting(job({ runs_on: JSON.stringify(runsOn) }), situation(runners))).toBe(expected);
});

test('a group that is taken is named with the builds that have it', () => {
  const groups = new Map([['p1/docs', [{ build: 12 }, { build: 9 }]]]);
  const waits = job({ concurrency_group: 'p1/docs', concurrency_limit: 2 });
  const sentence = 'its concurrency group docs is taken by builds #9 and #12';
  expect(whyWaiting(waits, { ...situation([{}]), groups })).toBe(sentence);
  expect(whyWaiting({ ...waits, concurrency_limit: 3 }, { ...situation([{}]), groups })).toBe('');
  expect(whyWaiting({ ...waits, concurrency_group: 'p2/docs' }, { ...situation([{}]), groups })).toBe('');
});

test('while runners are busy, jobs of a higher priority are named', () => {
  const seen = { ...situation([{ running: 1 }]), first: new Map([['["linux"]', 5]]) };
  const sentence = 'the only runner with linux is busy, and jobs of a higher priority go first';
  expect(whyWaiting(job({}), seen)).toBe(sentence);
  expect(whyWaiting(job({ priority: 5 }), seen)).toBe('the only runner with linux is busy');
});

function job(changed: Partial<WaitingJob>): WaitingJob {
  return {
    deployment_id: null,
    runs_on: '["linux"]',
    priority: 0,
    concurrency_group: '',
    concurrency_limit: 1,
    ...changed,
  };
}

function situation(runners: readonly Partial<Candidate>[]): Situation {
  return {
    obstacle: null,
    runners: runners.map((runner, at) => ({
      name: `runner-${at}`,
      labels: ['linux'],
      connected: true,
      draining: false,
      aside: false,
      running: 0,
      capacity: 1,
      ...runner,
    })),
    groups: new Map(),
    first: new Map(),
  };
}
