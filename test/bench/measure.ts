import type { Context } from './benchmark.ts';

/** What one round of one side gave, by figure. */
export type Reading<Name extends string = string> = Record<Name, number>;

export interface Summary {
  median: number;
  min: number;
  max: number;
}

/**
 * Runs the sides in turn, A B A B, so that what else the machine does falls on both alike. The first round warms up and is
 * forgotten. A side is told the round, 0 for the warm-up.
 */
export async function alternate<Side extends string, Name extends string>(
  { rounds, say }: Context,
  sides: Record<Side, (round: number) => Promise<Reading<Name>>>,
): Promise<Record<Side, Reading<Name>[]>> {
  const names = Object.keys(sides) as Side[];
  const readings = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Side,
    Reading<Name>[]
  >;
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of names) {
      say(round === 0 ? `warm-up, ${name}` : `round ${round} of ${rounds}, ${name}`);
      const reading = await sides[name](round);
      if (round > 0) readings[name].push(reading);
    }
  }
  return readings;
}

/** One figure's values of all rounds. */
export function pick<Name extends string>(readings: readonly Reading<Name>[], name: Name): number[] {
  return readings.map((reading) => reading[name]);
}

export function summarize(values: readonly number[]): Summary {
  return { median: percentile(values, 50), min: Math.min(...values), max: Math.max(...values) };
}

/** Each round's value over the plain one of the same round: what slowed both cancels out. */
export function ratios(ours: readonly number[], plain: readonly number[]): number[] {
  return ours.map((value, round) => value / (plain[round] ?? Number.NaN));
}

/** The value that `percent` of the values do not exceed; between two, for an even number's middle, their mean. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  if (percent === 50 && sorted.length % 2 === 0) {
    return (at(sorted, sorted.length / 2 - 1) + at(sorted, sorted.length / 2)) / 2;
  }
  return at(sorted, Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1));
}

/** Milliseconds that something takes. */
export async function timed(what: () => unknown): Promise<number> {
  const start = performance.now();
  await what();
  return performance.now() - start;
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new Error('There is nothing to summarize: no value was measured.');
  return value;
}
