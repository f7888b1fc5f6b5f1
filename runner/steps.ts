import { realpathSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PlannedStep } from '@reprise/pipelines/model.ts';
import type { AttemptDirectory } from './attempt-directory.ts';
import { checkoutScript, INPUTS_INSIDE, OBJECTS_INSIDE } from './checkout/workspace.ts';
import { findProgram } from './process.ts';
import type { Assignment } from './protocol.ts';
import type { AttemptRecord } from './record.ts';
import type { Mount, Sandbox, SandboxResult, Slot } from './sandbox/sandbox.ts';
import { addLegacy, NO_LEGACY, stepEnvironment, WORKSPACE_INSIDE } from './step-environment.ts';
import { readStepFiles, STEP_FILES_INSIDE, writeStepFiles } from './step-files.ts';
import { duration, type Stop, stopVerdict, type Verdict } from './verdict.ts';

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

/** The commit could not be written into the workspace; `code` is the exit code of the checkout. */
export class CheckoutFailed extends Error {}

const SCRIPTS_INSIDE = '/reprise/scripts';

/**
 * Runs a job's steps in order, the checkout in the sandbox of the first. Null: all passed; else what ended the job, with the
 * steps after it skipped. Throws `CheckoutFailed`.
 */
export async function runSteps(o: StepsOptions): Promise<Verdict | null> {
  let legacy = NO_LEGACY;
  for (const [index, step] of o.assignment.job.steps.entries()) {
    if (o.signal.aborted) return stopVerdict(o.signal.reason as Stop);
    const files = join(o.directory.path, `step-${index + 1}`);
    writeStepFiles(files, o.slot.owner);
    const env = stepEnvironment({
      passThrough: o.passThrough,
      path: o.path,
      facts: o.assignment.env,
      job: o.assignment.job,
      step,
      legacy,
    });
    const verdict = await runStep(o, { step, index, files, env });
    if (verdict) return verdict;
    const left = readStepFiles(files);
    if ('problem' in left) {
      o.record.steps.end(index, 'failed', 0);
      return { status: 'failed', why: `${title(step, index)}: ${left.problem}` };
    }
    o.record.steps.end(index, 'passed', 0);
    legacy = addLegacy(legacy, left);
  }
  return null;
}

interface StepOptions {
  step: PlannedStep;
  index: number;
  files: string;
  env: Record<string, string>;
}

/** Null when the step exited with 0; otherwise its state is set and the verdict says why. */
async function runStep(o: StepsOptions, { step, index, files, env }: StepOptions): Promise<Verdict | null> {
  const timeout = stepTimeout(step.timeoutMs);
  const signal = AbortSignal.any([o.signal, timeout.signal]);
  const end = (state: 'failed' | 'errored' | 'cancelled', exitCode: number | null, why: string): Verdict => {
    o.record.steps.end(index, state, exitCode);
    return { status: state, why: `${title(step, index)} ${why}` };
  };
  const begin = () => {
    o.record.steps.start(index, o.record.log.mark());
    o.record.hurry();
    timeout.start();
    assertDirectory(o, step);
  };
  let result: SandboxResult;
  try {
    if (index > 0) begin();
    result = await o.sandbox.run({
      slot: o.slot,
      workspace: o.directory.workspace,
      home: o.directory.home,
      tmp: o.directory.tmp,
      readOnly: readOnlyMounts(o),
      writable: [{ source: files, target: STEP_FILES_INSIDE }],
      env,
      argv: command(o, step, index),
      cwd: join(WORKSPACE_INSIDE, directoryOf(o, step) ?? '.'),
      network: step.network,
      prepare: index === 0 ? { script: checkout(o), onDone: begin } : undefined,
      onOutput: (chunk) => o.record.log.write(chunk),
      signal,
      get killGraceMs() {
        return o.killGraceMs();
      },
    });
  } catch (error) {
    if (error instanceof NoDirectory) return end('failed', null, error.message);
    throw error;
  } finally {
    timeout.stop();
  }
  if (o.signal.aborted) {
    const stopped = stopVerdict(o.signal.reason as Stop);
    o.record.steps.end(index, stopped.status, null);
    return stopped;
  }
  switch (result.kind) {
    case 'exited':
      if (timeout.signal.aborted)
        return end('failed', null, `timed out after ${duration(step.timeoutMs ?? 0)}`);
      return result.code === 0 ? null : end('failed', result.code, `exited with code ${result.code}`);
    case 'signalled':
      if (timeout.signal.aborted)
        return end('failed', null, `timed out after ${duration(step.timeoutMs ?? 0)}`);
      return end(
        'errored',
        null,
        `was ended from outside by ${result.signal}; was the machine out of memory?`,
      );
    case 'unprepared':
      throw new CheckoutFailed(
        result.code === 127
          ? 'git was not found in the sandbox: install it on the runner'
          : `the checkout of ${o.assignment.commit} exited with code ${result.code}`,
      );
    case 'broken':
      return end('errored', null, `could not start its sandbox: ${result.why}`);
    default:
      return result satisfies never;
  }
}

function title(step: PlannedStep, index: number): string {
  return `step ${index + 1} (${step.name})`;
}

function readOnlyMounts(o: StepsOptions): Mount[] {
  return [
    { source: o.directory.scripts, target: SCRIPTS_INSIDE },
    { source: o.objects, target: OBJECTS_INSIDE },
    ...(o.assignment.inputs.length > 0 ? [{ source: o.directory.inputs, target: INPUTS_INSIDE }] : []),
    ...o.mounts.map((path) => ({ source: path, target: path })),
  ];
}

function checkout(o: StepsOptions): string {
  return checkoutScript({ path: o.path, withInputs: o.assignment.inputs.length > 0 });
}

/** The script is a file, so that a step can be as long as it likes and nothing of it is in the process list. */
function command(o: StepsOptions, step: PlannedStep, index: number): string[] {
  const name = `step-${index + 1}`;
  const text = step.run.endsWith('\n') ? step.run : `${step.run}\n`;
  writeFileSync(join(o.directory.scripts, name), text, { mode: 0o644 });
  const script = `${SCRIPTS_INSIDE}/${name}`;
  if (step.shell) return [...step.shell.split(/\s+/).filter(Boolean), script];
  const bash = findProgram('bash');
  return bash ? [bash, '--noprofile', '--norc', '-eo', 'pipefail', script] : ['/bin/sh', '-e', script];
}

function directoryOf(o: StepsOptions, step: PlannedStep): string | null {
  return step.workingDirectory ?? o.assignment.job.workingDirectory;
}

class NoDirectory extends Error {}

/** No process of the job runs now, so what is seen here is what the step will find. */
function assertDirectory(o: StepsOptions, step: PlannedStep): void {
  const wanted = directoryOf(o, step);
  if (wanted === null) return;
  const workspace = realpathSync(o.directory.workspace);
  let path: string | null = null;
  try {
    path = realpathSync(join(workspace, wanted));
  } catch {
    // Said below.
  }
  if (path !== null && path !== workspace && !path.startsWith(`${workspace}/`))
    throw new NoDirectory(`has the working directory "${wanted}", which leaves the workspace`);
  if (path === null || !statSync(path).isDirectory())
    throw new NoDirectory(`has the working directory "${wanted}", which does not exist`);
}

/** Counts from `start` on, so that a checkout is not at the first step's expense. */
function stepTimeout(ms: number | null): { signal: AbortSignal; start(): void; stop(): void } {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  return {
    signal: controller.signal,
    start() {
      if (ms !== null) timer = setTimeout(() => controller.abort(), ms);
    },
    stop: () => clearTimeout(timer),
  };
}
