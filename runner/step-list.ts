import type { PlannedStep } from '@reprise/pipelines/model.ts';
import type { StepState } from './protocol.ts';

/** The state of a job's steps, as it is told to the server. Times are milliseconds since the claim. */
export class StepList {
  readonly #now: () => number;
  readonly #onChange: (steps: readonly StepState[]) => void;
  /** Replaced at every change, never changed itself. */
  #steps: readonly StepState[];

  constructor(
    steps: readonly PlannedStep[],
    o: { now: () => number; onChange: (steps: readonly StepState[]) => void },
  ) {
    this.#now = o.now;
    this.#onChange = o.onChange;
    const fresh = {
      status: 'queued',
      exitCode: null,
      startedMs: null,
      finishedMs: null,
      logOffset: null,
    } as const;
    this.#steps = steps.map((step) => ({ name: step.name.slice(0, 256), ...fresh }));
  }

  get all(): StepState[] {
    return [...this.#steps];
  }

  start(index: number, logOffset: number): void {
    this.#change(index, { status: 'running', startedMs: this.#now(), logOffset });
  }

  /** A step that never started, because something before it broke, has no times. */
  end(index: number, status: StepState['status'], exitCode: number | null): void {
    const started = this.#steps[index]?.startedMs !== null;
    this.#change(index, { status, exitCode, finishedMs: started ? this.#now() : null });
  }

  /** What was not reached. */
  skipRest(): void {
    this.#steps = this.#steps.map((step) =>
      step.status === 'queued' ? { ...step, status: 'skipped' } : step,
    );
    this.#onChange(this.#steps);
  }

  #change(index: number, change: Partial<StepState>): void {
    this.#steps = this.#steps.map((step, at) => (at === index ? { ...step, ...change } : step));
    this.#onChange(this.#steps);
  }
}
