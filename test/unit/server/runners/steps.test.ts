import type { StepState } from '@reprise/runner/protocol.ts';
import type { Step } from '@reprise/server/db/schema.ts';
import { mergeSteps } from '@reprise/server/runners/steps.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const STATUSES = ['queued', 'running', 'passed', 'failed', 'errored', 'cancelled', 'skipped'] as const;
const WHEN = { claimedAt: 1000, now: 9000 };

test('times are the claim plus the reported durations, never in the future', () => {
  const [change] = mergeSteps(
    [step('queued')],
    [report('passed', { startedMs: 12.4, finishedMs: 99_999 })],
    WHEN,
  );
  expect(change?.values).toMatchObject({ started_at: 1012, finished_at: 9000 });
});

test('a report that says what is known changes nothing', () => {
  const recorded = { ...step('running'), started_at: 1005, log_offset: 7 };
  expect(mergeSteps([recorded], [report('running', { startedMs: 5, logOffset: 7 })], WHEN)).toEqual([]);
});

test('steps that the plan does not have are not recorded', () => {
  expect(mergeSteps([], [report('passed')], WHEN)).toEqual([]);
});

test('in whatever order reports come, a step never goes back, and its end is the first that was told', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...STATUSES), { maxLength: 12 }), (statuses) => {
      let recorded = step('queued');
      let end: string | null = null;
      for (const status of statuses) {
        const before = rank(recorded.status);
        const [change] = mergeSteps([recorded], [report(status)], WHEN);
        recorded = { ...recorded, ...change?.values };
        expect(rank(recorded.status)).toBeGreaterThanOrEqual(before);
        if (end === null && rank(status) === 2) end = status;
      }
      if (end !== null) expect(recorded.status).toBe(end);
    }),
    { numRuns: 10_000 },
  );
});

function rank(status: string): number {
  return status === 'queued' ? 0 : status === 'running' ? 1 : 2;
}

function step(status: Step['status']): Step {
  return {
    attempt_id: 'a',
    position: 0,
    name: 'test',
    status,
    exit_code: null,
    started_at: null,
    finished_at: null,
    log_offset: null,
  };
}

function report(status: StepState['status'], more: Partial<StepState> = {}): StepState {
  return {
    name: 'test',
    status,
    exitCode: null,
    startedMs: null,
    finishedMs: null,
    logOffset: null,
    ...more,
  };
}
