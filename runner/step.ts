import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { PlannedStep } from '@reprise/pipelines/model.ts';
import { findProgram } from './process.ts';
import type { Mount, SandboxResult } from './sandbox/sandbox.ts';
import { WORKSPACE_INSIDE } from './step-environment.ts';
import { SCRIPT_INSIDE, writeStepFiles } from './step-files.ts';
import type { StepsOptions } from './steps.ts';
import { duration, type Stop, stopVerdict, type Verdict } from './verdict.ts';

export interface StepRun {
  step: PlannedStep;
  /** How the step is called in sentences: `step 2 (Unit tests)`. */
  title: string;
  /** Its own directory, not made yet. */
  files: string;
  readOnly: Mount[];
  env: Record<string, string>;
  /** Shell text that fills the workspace before the first step. */
  checkout: string | null;
  /** Called when the step itself begins. */
  begin(): void;
}

export type StepOutcome = Verdict & { exitCode: number | null };

/** The commit could not be written into the workspace. */
export class CheckoutFailed extends Error {}

/** Runs one step in its sandbox. Throws `CheckoutFailed` when it never came to that. */
export async function runStep(o: StepsOptions, run: StepRun): Promise<StepOutcome> {
  const { step, title, checkout } = run;
  const timeout = stepTimeout(step.timeoutMs);
  const directory = step.workingDirectory ?? o.assignment.job.workingDirectory;
  const begin = () => {
    run.begin();
    timeout.start();
    assertDirectory(o.directory.workspace, directory);
  };
  try {
    const files = writeStepFiles(run.files, { script: step.run, owner: o.slot.owner });
    if (checkout === null) begin();
    const result = await o.sandbox.run({
      slot: o.slot,
      workspace: o.directory.workspace,
      home: o.directory.home,
      tmp: o.directory.tmp,
      readOnly: run.readOnly,
      writable: [files],
      env: run.env,
      argv: command(step.shell),
      cwd: join(WORKSPACE_INSIDE, directory ?? '.'),
      network: step.network,
      prepare: checkout === null ? undefined : { script: checkout, onDone: begin },
      onOutput: (chunk) => o.record.log.write(chunk),
      signal: AbortSignal.any([o.signal, timeout.signal]),
      get killGraceMs() {
        return o.killGraceMs();
      },
    });
    if (o.signal.aborted) return { ...stopVerdict(o.signal.reason as Stop), exitCode: null };
    return judge(o, run, { result, isTimedOut: timeout.signal.aborted });
  } catch (error) {
    if (!(error instanceof NoDirectory)) throw error;
    return { status: 'failed', why: `${title} ${error.message}`, exitCode: null };
  } finally {
    timeout.stop();
  }
}

function judge(
  o: StepsOptions,
  { step, title }: StepRun,
  { result, isTimedOut }: { result: SandboxResult; isTimedOut: boolean },
): StepOutcome {
  const ended = (status: 'failed' | 'errored', how: string, exitCode: number | null = null) => ({
    status,
    why: `${title} ${how}`,
    exitCode,
  });
  if (isTimedOut && (result.kind === 'exited' || result.kind === 'signalled'))
    return ended('failed', `timed out after ${duration(step.timeoutMs ?? 0)}`);
  switch (result.kind) {
    case 'exited':
      if (result.code === 0) return { status: 'passed', why: '', exitCode: 0 };
      return ended('failed', `exited with code ${result.code}`, result.code);
    case 'signalled':
      return ended('errored', `was ended from outside by ${result.signal}; was the machine out of memory?`);
    case 'broken':
      return ended('errored', `could not start its sandbox: ${result.why}`);
    case 'unprepared':
      if (result.code === 127)
        throw new CheckoutFailed('git was not found in the sandbox: install it on the runner');
      throw new CheckoutFailed(`the checkout of ${o.assignment.commit} exited with code ${result.code}`);
    default:
      return result satisfies never;
  }
}

function command(shell: string | null): string[] {
  if (shell) return [...shell.split(/\s+/).filter(Boolean), SCRIPT_INSIDE];
  const bash = findProgram('bash');
  if (bash) return [bash, '--noprofile', '--norc', '-eo', 'pipefail', SCRIPT_INSIDE];
  return ['/bin/sh', '-e', SCRIPT_INSIDE];
}

class NoDirectory extends Error {}

/** No process of the job runs now, so what is seen here is what the step will find. */
function assertDirectory(workspacePath: string, wanted: string | null): void {
  if (wanted === null) return;
  const workspace = realpathSync(workspacePath);
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
