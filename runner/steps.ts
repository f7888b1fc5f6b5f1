import { join } from 'node:path';
import type { PlannedStep } from '@reprise/pipelines/model.ts';
import type { AttemptDirectory } from './attempt-directory.ts';
import { checkoutScript, INPUTS_INSIDE, OBJECTS_INSIDE } from './checkout/workspace.ts';
import type { Assignment } from './protocol.ts';
import type { AttemptRecord } from './record.ts';
import type { Mount, Sandbox, Slot } from './sandbox/sandbox.ts';
import { runStep } from './step.ts';
import { addLegacy, NO_LEGACY, stepEnvironment } from './step-environment.ts';
import { readStepFiles } from './step-files.ts';
import { type Stop, stopVerdict, type Verdict } from './verdict.ts';

export interface StepsOptions {
  assignment: Assignment;
  directory: AttemptDirectory;
  /** The mirror's objects, on the host. */
  objects: string;
  sandbox: Sandbox;
  slot: Slot;
  record: AttemptRecord;
  mounts: readonly string[];
  passThrough: Readonly<Record<string, string>>;
  path: string;
  /** Aborted with a `Stop`. */
  signal: AbortSignal;
  /** Asked when a step is being ended. */
  killGraceMs(): number;
}

/**
 * Runs a job's steps in order, the checkout in the sandbox of the first. Null: all passed; else what ended the job, with the
 * steps after it left as they are. Throws `CheckoutFailed`.
 */
export async function runSteps(o: StepsOptions): Promise<Verdict | null> {
  const { job, inputs } = o.assignment;
  const readOnly = mountsOf(o);
  let legacy = NO_LEGACY;
  for (const [index, step] of job.steps.entries()) {
    if (o.signal.aborted) return stopVerdict(o.signal.reason as Stop);
    const missing = missingSecret(o.assignment, step);
    if (missing !== null) return fail(o, { index, step, problem: missing });
    const files = join(o.directory.path, `step-${index + 1}`);
    const outcome = await runStep(o, {
      step,
      title: `step ${index + 1} (${step.name})`,
      files,
      readOnly,
      env: stepEnvironment({
        ...o,
        facts: o.assignment.env,
        secrets: o.assignment.secrets,
        job,
        step,
        legacy,
      }),
      checkout: index === 0 ? checkoutScript({ path: o.path, withInputs: inputs.length > 0 }) : null,
      begin: () => {
        o.record.steps.start(index, o.record.log.mark());
        o.record.hurry();
      },
    });
    const left = outcome.status === 'passed' ? readStepFiles(files) : NO_LEGACY;
    if ('problem' in left) return fail(o, { index, step, problem: left.problem });
    o.record.steps.end(index, outcome.status, outcome.exitCode);
    if (outcome.status !== 'passed') return { status: outcome.status, why: outcome.why };
    legacy = addLegacy(legacy, left);
  }
  return null;
}

/** A step that names a secret does not begin without it: an empty value would fail later, and worse. */
function missingSecret({ secrets, project, env }: Assignment, step: PlannedStep): string | null {
  const missing = (step.secrets ?? []).filter((name) => !Object.hasOwn(secrets, name));
  if (missing.length === 0) return null;
  const names = missing.join(', ');
  return env['REPRISE_PULL_REQUEST'] && Object.keys(secrets).length === 0
    ? `it needs ${names}, and a fork's pull request sees no secrets`
    : `it needs ${names}, which project ${project} does not have: an administrator sets it in the project's settings`;
}

function fail(
  o: StepsOptions,
  { index, step, problem }: { index: number; step: PlannedStep; problem: string },
): Verdict {
  o.record.steps.end(index, 'failed', 0);
  return { status: 'failed', why: `step ${index + 1} (${step.name}): ${problem}` };
}

function mountsOf(o: StepsOptions): Mount[] {
  return [
    { source: o.objects, target: OBJECTS_INSIDE },
    ...(o.assignment.inputs.length > 0 ? [{ source: o.directory.inputs, target: INPUTS_INSIDE }] : []),
    ...o.mounts.map((path) => ({ source: path, target: path })),
  ];
}
