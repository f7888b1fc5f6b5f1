import { steadyClock } from '@reprise/server/clock.ts';
import { expect, test } from 'vitest';

const HOUR = 3_600_000;

/** A machine whose clock a test sets while time passes. */
function machine() {
  const state = { wall: 100 * HOUR, elapsed: 5000 };
  const now = steadyClock({ wall: () => state.wall, elapsed: () => state.elapsed });
  return {
    now,
    pass(ms: number) {
      state.wall += ms;
      state.elapsed += ms;
      return now();
    },
    set(by: number) {
      state.wall += by;
      return now();
    },
  };
}

test('it is the machine’s clock as long as that goes on', () => {
  const { now, pass } = machine();
  expect(now()).toBe(100 * HOUR);
  expect(pass(1234)).toBe(100 * HOUR + 1234);
});

test('a clock that is set forth is followed at once', () => {
  expect(machine().set(HOUR)).toBe(101 * HOUR);
});

test('a clock that is set back is waited for at half the speed, never going back', () => {
  const { set, pass } = machine();
  expect(set(-HOUR)).toBe(100 * HOUR);
  expect(pass(HOUR)).toBe(100.5 * HOUR);
  expect(pass(HOUR)).toBe(101 * HOUR);
  expect(pass(HOUR)).toBe(102 * HOUR);
});

test('a clock that was wrong by days is believed when it is set right', () => {
  const { set, pass } = machine();
  expect(set(-48 * HOUR)).toBe(52 * HOUR);
  expect(pass(1000)).toBe(52 * HOUR + 1000);
});
