/** How much is done to an installation: `FAULTS=soak` is for nights; without it what fits every run. */
export const isSoak = process.env['FAULTS'] === 'soak';

/** The storm of 2,000 jobs is some minutes long: `FAULTS=storm` has it alone. */
export const isStorm = isSoak || process.env['FAULTS'] === 'storm';

/** Decides what happens when. A failed run says which it had: `FAULTS_SEED=… npm run test:faults` has it again. */
export const SEED = Number(process.env['FAULTS_SEED'] ?? 20261123);

/** `small` times in every run, `large` times in a soak. */
export function times(small: number, large: number): number {
  return isSoak ? large : small;
}
