import type { PlannedJob, PlannedStep } from '@reprise/pipelines/model.ts';
import { STEP_FILE_VARIABLES, type StepLegacy } from './step-files.ts';

/** Where steps live, inside. */
export const WORKSPACE_INSIDE = '/workspace';
const HOME_INSIDE = '/home/build';

/**
 * The complete environment of a step: what the operator lets through, then PATH and HOME, the facts of the build, what the
 * file says for the job, what earlier steps left, and what the file says for this step alone. Later ones win.
 */
export function stepEnvironment(o: {
  passThrough: Readonly<Record<string, string>>;
  path: string;
  facts: Readonly<Record<string, string>>;
  job: PlannedJob;
  step: PlannedStep;
  legacy: StepLegacy;
  /** Values of the job's secrets, of which the step sees those that it names. */
  secrets: Readonly<Record<string, string>>;
}): Record<string, string> {
  const ownOfStep = Object.entries(o.step.env).filter(([name, value]) => o.job.env[name] !== value);
  const env: Record<string, string> = {
    ...o.passThrough,
    PATH: o.path,
    HOME: HOME_INSIDE,
    ...o.facts,
    ...o.job.env,
    ...o.legacy.env,
    ...Object.fromEntries(ownOfStep),
    ...secretsOf(o),
    ...STEP_FILE_VARIABLES,
  };
  env['PATH'] = [...o.legacy.path.toReversed(), env['PATH']].join(':');
  return env;
}

function secretsOf(o: {
  step: PlannedStep;
  secrets: Readonly<Record<string, string>>;
}): Record<string, string> {
  return Object.fromEntries((o.step.secrets ?? []).map((name) => [name, o.secrets[name] ?? '']));
}

export const NO_LEGACY: StepLegacy = { env: {}, path: [] };

export function addLegacy(earlier: StepLegacy, later: StepLegacy): StepLegacy {
  return { env: { ...earlier.env, ...later.env }, path: [...earlier.path, ...later.path] };
}
